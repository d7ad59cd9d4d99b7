"""Clear texts in eleven languages, and what a mail has around its matter in each of them."""

from __future__ import annotations

from typing import Final, NamedTuple

from shared.events import Severity

CRITICAL, HIGH = Severity.CRITICAL, Severity.HIGH


class Phrases(NamedTuple):
    """What may stand around a text without changing what it is about."""

    greeting: str
    signature: str
    thanks: str
    history: str
    unhurt: str


PHRASES: Final = {
    "en": Phrases(
        "Dear Sir or Madam,\n\n",
        "\n\nKind regards,\nPaula Wren",
        " Thank you for your help.",
        "Thank you for your order, we hope that you enjoy it.\nYour team",
        " Nobody was hurt.",
    ),
    "es": Phrases(
        "Buenos días:\n\n",
        "\n\nUn saludo,\nPaula Gil",
        " Muchas gracias por su ayuda.",
        "Gracias por su pedido, esperamos que lo disfrute.\nSu equipo",
        " Nadie resultó herido.",
    ),
    "fr": Phrases(
        "Bonjour Madame, Monsieur,\n\n",
        "\n\nCordialement,\nPaule Roux",
        " Merci beaucoup pour votre aide.",
        "Merci pour votre commande, nous espérons qu'elle vous plaira.\nVotre équipe",
        " Personne n'a été blessé.",
    ),
    "de": Phrases(
        "Sehr geehrte Damen und Herren,\n\n",
        "\n\nMit freundlichen Grüßen\nPaula Kern",
        " Vielen Dank für Ihre Hilfe.",
        "Vielen Dank für Ihre Bestellung, wir wünschen viel Freude damit.\nIhr Team",
        " Es wurde niemand verletzt.",
    ),
    "pt": Phrases(
        "Bom dia,\n\n",
        "\n\nCom os melhores cumprimentos,\nPaula Reis",
        " Muito obrigada pela ajuda.",
        "Obrigado pela sua encomenda, esperamos que goste.\nA sua equipa",
        " Ninguém ficou ferido.",
    ),
    "it": Phrases(
        "Buongiorno,\n\n",
        "\n\nCordiali saluti,\nPaola Neri",
        " Grazie mille per l'aiuto.",
        "Grazie per il tuo ordine, speriamo che ti piaccia.\nIl tuo team",
        " Nessuno si è fatto male.",
    ),
    "nl": Phrases(
        "Beste mensen,\n\n",
        "\n\nMet vriendelijke groet,\nPaula Smit",
        " Hartelijk dank voor uw hulp.",
        "Bedankt voor uw bestelling, we wensen u er veel plezier mee.\nUw team",
        " Niemand raakte gewond.",
    ),
    "pl": Phrases(
        "Dzień dobry,\n\n",
        "\n\nZ poważaniem\nPaulina Wilk",
        " Bardzo dziękuję za pomoc.",
        "Dziękujemy za zamówienie, mamy nadzieję, że będzie służyć.\nTwój zespół",
        " Nikomu nic się nie stało.",
    ),
    "tr": Phrases(
        "Merhaba,\n\n",
        "\n\nSaygılarımla,\nPelin Kaya",
        " Yardımınız için çok teşekkür ederim.",
        "Siparişiniz için teşekkür ederiz, güle güle kullanın.\nEkibiniz",
        " Kimse yaralanmadı.",
    ),
    "ja": Phrases(
        "お世話になっております。\n\n",
        "\n\nよろしくお願いいたします。\n森",
        "ありがとうございます。",
        "ご注文ありがとうございます。どうぞお楽しみください。",
        "けが人はいませんでした。",
    ),
    "ar": Phrases(
        "السلام عليكم،\n\n",
        "\n\nمع أطيب التحيات\nليلى",
        " شكرا جزيلا على مساعدتكم.",
        "شكرا على طلبكم، نتمنى أن ينال إعجابكم.\nفريقكم",
        " لم يصب أحد بأذى.",
    ),
}

URGENT: Final = (
    ("en", CRITICAL, "The charger caught fire last night and burned my hand, I am in hospital."),
    ("en", CRITICAL, "Somebody hacked my account and made payments that I never authorised."),
    ("en", CRITICAL, "The brakes failed on the motorway and I nearly crashed with my children."),
    ("en", CRITICAL, "I have reported you to the financial ombudsman and my lawyer will sue you."),
    ("en", CRITICAL, "I smell gas in the whole house since your technician installed the boiler."),
    ("en", CRITICAL, "My daughter had a severe allergic reaction, the label did not mention peanuts."),
    ("en", HIGH, "You charged my card twice and I still have not received my refund of 240 euros."),
    ("en", HIGH, "This is my fifth complaint and nobody has ever replied to any of my emails."),
    ("en", HIGH, "We have had no electricity for three days and nobody tells us anything."),
    ("en", HIGH, "I am cancelling my contract and moving to another provider because of this."),
    ("es", CRITICAL, "El cargador se incendió anoche y me quemó la mano, estoy en el hospital."),
    ("es", CRITICAL, "Han hackeado mi cuenta y hay pagos que yo no he autorizado."),
    ("es", CRITICAL, "Los frenos fallaron en la autopista y casi tenemos un accidente."),
    ("es", HIGH, "Me han cobrado dos veces y todavía no me han devuelto el dinero."),
    ("es", HIGH, "Es la quinta vez que les escribo y nadie me ha respondido."),
    ("fr", CRITICAL, "Le chargeur a pris feu cette nuit et m'a brûlé la main, je suis à l'hôpital."),
    ("fr", CRITICAL, "Mon compte a été piraté et il y a des paiements que je n'ai pas autorisés."),
    ("fr", CRITICAL, "Les freins ont lâché sur l'autoroute, nous avons failli avoir un accident."),
    ("fr", HIGH, "Vous m'avez débité deux fois et je n'ai toujours pas été remboursé."),
    ("fr", HIGH, "C'est la cinquième fois que je vous écris et personne ne me répond."),
    ("de", CRITICAL, "Das Ladegerät fing Feuer und hat mir die Hand verbrannt, ich bin im Krankenhaus."),
    ("de", CRITICAL, "Mein Konto wurde gehackt und es gibt Zahlungen, die ich nie genehmigt habe."),
    ("de", CRITICAL, "Auf der Autobahn haben die Bremsen versagt, fast hätte es einen Unfall gegeben."),
    ("de", HIGH, "Sie haben zweimal abgebucht und ich habe mein Geld immer noch nicht zurück."),
    ("de", HIGH, "Ich schreibe Ihnen zum fünften Mal und niemand antwortet mir."),
    ("pt", CRITICAL, "O carregador pegou fogo esta noite e queimou a minha mão, estou no hospital."),
    ("pt", CRITICAL, "Invadiram a minha conta e há pagamentos que eu não autorizei."),
    ("pt", CRITICAL, "Os travões falharam na autoestrada e quase tivemos um acidente."),
    ("pt", HIGH, "Cobraram-me duas vezes e ainda não recebi o reembolso."),
    ("pt", HIGH, "É a quinta vez que escrevo e ninguém me responde."),
    ("it", CRITICAL, "Il caricatore ha preso fuoco e mi ha bruciato la mano, sono in ospedale."),
    ("it", CRITICAL, "Il mio conto è stato hackerato e ci sono pagamenti che non ho autorizzato."),
    ("it", CRITICAL, "I freni hanno ceduto in autostrada e abbiamo rischiato un incidente."),
    ("it", HIGH, "Mi avete addebitato due volte e non ho ancora ricevuto il rimborso."),
    ("it", HIGH, "È la quinta volta che vi scrivo e nessuno mi risponde."),
    ("nl", CRITICAL, "De oplader vloog in brand en heeft mijn hand verbrand, ik lig in het ziekenhuis."),
    ("nl", CRITICAL, "Mijn account is gehackt en er zijn betalingen die ik niet heb gedaan."),
    ("nl", CRITICAL, "De remmen weigerden op de snelweg en we hadden bijna een ongeluk."),
    ("nl", HIGH, "U hebt twee keer afgeschreven en ik heb mijn geld nog steeds niet terug."),
    ("nl", HIGH, "Dit is de vijfde keer dat ik schrijf en niemand reageert."),
    ("pl", CRITICAL, "Ładowarka zapaliła się w nocy i poparzyła mi rękę, jestem w szpitalu."),
    ("pl", CRITICAL, "Ktoś włamał się na moje konto i są płatności, których nie autoryzowałam."),
    ("pl", CRITICAL, "Na autostradzie zawiodły hamulce i prawie mieliśmy wypadek."),
    ("pl", HIGH, "Pobraliście opłatę dwa razy i nadal nie dostałam zwrotu pieniędzy."),
    ("pl", HIGH, "Piszę do was po raz piąty i nikt mi nie odpowiada."),
    ("tr", CRITICAL, "Şarj aleti gece alev aldı ve elimi yaktı, hastanedeyim."),
    ("tr", CRITICAL, "Hesabım ele geçirildi ve benim yapmadığım ödemeler var."),
    ("tr", CRITICAL, "Otoyolda frenler tutmadı, az kalsın kaza yapıyorduk."),
    ("tr", HIGH, "Kartımdan iki kez para çektiniz ve iademi hâlâ alamadım."),
    ("tr", HIGH, "Size beşinci kez yazıyorum ve kimse cevap vermiyor."),
    ("ja", CRITICAL, "昨夜充電器から火が出て手にやけどをし、入院しています。"),
    ("ja", CRITICAL, "アカウントが乗っ取られ、身に覚えのない支払いがあります。"),
    ("ja", CRITICAL, "高速道路でブレーキが効かなくなり、事故になるところでした。"),
    ("ja", HIGH, "二重に請求されたのに、返金がまだされていません。"),
    ("ja", HIGH, "もう五回も問い合わせていますが、誰からも返事がありません。"),
    ("ar", CRITICAL, "اشتعلت النيران في الشاحن الليلة وأحرقت يدي وأنا في المستشفى."),
    ("ar", CRITICAL, "تم اختراق حسابي وهناك عمليات دفع لم أقم بها."),
    ("ar", CRITICAL, "تعطلت الفرامل على الطريق السريع وكدنا نتعرض لحادث."),
    ("ar", HIGH, "خصمتم المبلغ مرتين ولم أسترد أموالي حتى الآن."),
    ("ar", HIGH, "هذه المرة الخامسة التي أكتب لكم ولا أحد يرد علي."),
)  # fmt: skip
"""Language, severity, text."""

PLAIN: Final = (
    ("en", "The zip of the jacket is broken after a week."),
    ("en", "What are your opening hours on Sunday?"),
    ("es", "La cremallera de la chaqueta se rompió a la semana."),
    ("es", "¿Cuál es su horario los domingos?"),
    ("fr", "La fermeture de la veste s'est cassée au bout d'une semaine."),
    ("fr", "Quels sont vos horaires le dimanche ?"),
    ("de", "Der Reißverschluss der Jacke ist nach einer Woche kaputt."),
    ("de", "Wie sind Ihre Öffnungszeiten am Sonntag?"),
    ("pt", "O fecho do casaco estragou-se ao fim de uma semana."),
    ("pt", "Qual é o horário ao domingo?"),
    ("it", "La cerniera della giacca si è rotta dopo una settimana."),
    ("it", "Quali sono gli orari di apertura la domenica?"),
    ("nl", "De rits van de jas is na een week kapot."),
    ("nl", "Wat zijn uw openingstijden op zondag?"),
    ("pl", "Zamek w kurtce zepsuł się po tygodniu."),
    ("pl", "Jakie są godziny otwarcia w niedzielę?"),
    ("tr", "Montun fermuarı bir hafta sonra bozuldu."),
    ("tr", "Pazar günü kaçta açıyorsunuz?"),
    ("ja", "ジャケットのファスナーが一週間で壊れました。"),
    ("ja", "日曜日の営業時間を教えてください。"),
    ("ar", "تعطل سحاب السترة بعد أسبوع."),
    ("ar", "ما هي ساعات العمل يوم الأحد؟"),
)
"""Language, text: nothing urgent."""
