"""Names of reviewers: who is nobody in particular."""

from __future__ import annotations

# What Google shows in place of a name, in the languages of its own pages, and common words for it.
_NOBODY = frozenset({
    "a google user", "google user", "ein google-nutzer", "google-nutzer",
    "un utilisateur de google", "utilisateur de google", "un usuario de google",
    "usuario de google", "un utente di google", "utente google", "um usuário do google",
    "usuário do google", "een google-gebruiker", "google-gebruiker", "użytkownik google",
    "пользователь google", "google ユーザー", "google 用户", "google 使用者", "google 사용자",
    "anonymous", "anonym", "anonyme", "anónimo", "anonimo", "anônimo", "anoniem", "匿名", "аноним",
})  # fmt: skip


def public_name(name: str | None) -> str | None:
    """Return the name under which a review stands, None if it is nobody's."""
    shown = " ".join((name or "").split())
    return None if not shown or shown.casefold() in _NOBODY else shown
