"""What the model is not shown: quoted lines, and sentences that only say that nobody was hurt.

The model weighs words, and both kinds go with grave matters in the texts that it learnt from: who writes
that nobody was hurt mostly writes of a fire. Said of a broken zip, it changes nothing. Rules read
everything: a hazard is one whoever told of it, and a negation is theirs to judge.
"""

from __future__ import annotations

import re
from typing import Final

from services.classifier.severity.normalise import fold

_UNHURT: Final = (
    r"(?:nobody|no one|no-one)(?: \w+)? (?:was|is|were|got|has been) (?:\w+ )?(?:hurt|injured|harmed)",
    r"(?:there were )?no (?:injuries|one was hurt)",
    (
        r"nadie (?:\w+ )?(?:resulto|salio|fue|esta) (?:\w+ )?(?:herido|lesionado)|nadie se hizo dano|"
        r"no hubo heridos"
    ),
    r"personne (?:n'a ete|n'est|n'a) (?:\w+ )?(?:blesse|blessee|ete blesse)|(?:pas|aucun) de? ?blesses?",
    (
        r"(?:es )?(?:wurde )?(?:niemand|keiner) (?:(?:wurde|ist|war|hat sich) )?(?:\w+ )?verletzt|"
        r"(?:es gab )?keine verletzten|verletzt wurde (?:\w+ ){0,2}niemand"
    ),
    r"ninguem (?:\w+ )?(?:ficou ferido|se machucou|se magoou|foi ferido)|nao houve feridos",
    r"nessuno (?:si e fatto male|e rimasto ferito|si e ferito|e ferito)|nessun ferito",
    (
        r"(?:er )?(?:is |raakte )?niemand (?:\w+ )?(?:is |raakte )?gewond(?: geraakt)?|"
        r"(?:er zijn )?geen gewonden"
    ),
    (
        r"(?:nikt|nikomu) (?:\w+ )?(?:nie|nic) (?:\w+ )?"
        r"(?:zostal ranny|ucierpial|sie nie stalo|stalo|ranny)"
    ),
    r"(?:hic )?kimse(?:ye)? (?:yaralanmadi|zarar gormedi|bir sey olmadi)|yaralanan (?:olmadi|yok)",
    (
        r"(?:幸い)?(?:誰も)?(?:けが|怪我)(?:人)?(?:は|を)?"
        r"(?:いません|していません|ありません|出ていません|なかった)(?:でした)?"
    ),
    r"(?:لم يصب|لم يتأذ|لم يتاذ|ما تأذى|ما انصاب) (?:\w+ )?(?:أحد|احد)(?: بأذى)?",
)
_SENTENCE: Final = re.compile(
    r"(?:^|(?<=[.!?。؟\n])) *(?:[^\W\d_]+,? ){0,2}(?:"
    + "|".join(fold(one) for one in _UNHURT)
    + r")(?:,? (?:luckily|thankfully|fortunately|thank god|al(?:hamdulillah)?))?[ ]*(?:[.!?。؟\n]|$)"
)
_CUES: Final = re.compile(
    fold(
        "hurt|injur|harm|herid|lesion|dano|bless|verletz|ferid|machuc|magoou|ferit|gewond|rann|ucierp|"
    )
    + fold("stalo|yaralan|zarar|olmadi|fatto male|けか|怪我|يصب|يتأذ|يتاذ|تأذى|انصاب")
)


def said(folded: str) -> str:
    """Return what of a folded text the model is shown; all of it when nothing else would be left."""
    own = folded
    if "\n>" in folded:
        own = "\n".join(line for line in folded.split("\n") if not line.startswith(">"))
    if _CUES.search(own):
        own = _SENTENCE.sub(" ", own)
    return own if own.strip() else folded
