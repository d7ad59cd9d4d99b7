"""Messages to customers: templates, the lint of their tone, budgets, and the writers that send them."""
