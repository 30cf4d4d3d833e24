"""The words of names: what the parts of a column's, file's or event type's name mean, in several languages."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from warehouse.sources.columns import split_json_path

COLUMN_WORDS = {
    "user": (
        "user usr customer cust client visitor member buyer shopper person account contact subscriber recipient "
        "who actor household anonymous kunde kunden kd besteller cliente acheteur utilisateur usuario klant"
    ),
    "email": "email mail",
    "card": "card karte carte tarjeta loyalty",
    "install": "install installation instance",
    "session": "session sess visit sitzung sesion sessione",
    "device": "device dev gerät platform appareil dispositivo",
    "product": (
        "product prod article art artikel produkt ware material variant part content producto articulo produit "
        "prodotto prodotti articolo articoli produto"
    ),
    "sku": "sku asin stockcode referencia isbn plu",
    "barcode": "barcode ean gtin upc strichcode",
    "item": "item",
    "line": "line row position pos zeile ligne linea riga righe",
    "order": (
        "order transaction trans txn trx invoice receipt basket purchase ticket document doc beleg bon quittung "
        "bestell bestellung auftrag rechnung vorgang commande pedido facture factura fattura ordine ordini documento "
        "scontrino bestelling"
    ),
    "sale": "sale verkauf venta vente vendita vendite",
    "id": "id no nr num nbr number nummer numero code cod codigo codice key sk uuid guid ref reference identifier #",
    "event": "event evt action activity behavior behaviour interaction aktion ereignis accion acao evento verb",
    "type": "type typ kind tipo",
    "time": (
        "time timestamp tstamp ts date dat dt datetime datum zeit zeitpunkt uhrzeit fecha hora when day tag at jour "
        "heure data"
    ),
    "created": "created create placed ordered occurred purchased bought posting erstellt angelegt",
    "sent": "sent received ingested logged server",
    "paid": "paid bezahlt pagado",
    "updated": "updated update modified changed geändert änderung stand",
    "quantity": (
        "quantity qty qnty qte qta units unidades uds ud pieces pcs menge anzahl stück stk cantidad quantité quantità "
        "aantal count"
    ),
    "unit": "unit einzel each per unitario unitaire",
    "price": "price preis precio prix prezzo prijs preço tarifa pvp vk",
    "amount": "amount amt betrag value wert montant valor money",
    "total": "total ext gesamt subtotal totale revenue umsatz turnover sum summe importe importo extended",
    "currency": "currency cur curr ccy währung devise moneda divisa valuta",
    "name": "name title titel bezeichnung label nombre libelle nom",
    "description": "description desc beschreibung descripción descrizione text",
    "category": (
        "category cat kategorie categoria categorie warengruppe sortiment family familie familia famiglia department "
        "abteilung"
    ),
    "catalog": "catalog catalogue katalog assortment",
    "group": "group gruppe grupo gruppo class klasse section",
    "brand": "brand vendor manufacturer maker hersteller marke marca marque",
    "stock": "stock inventory bestand available availability lieferbar verfügbar disponible giacenza existencia",
    "status": "status state zustand published estado stato",
    "score": "popularity score rating review",
    "handle": "handle",
    "margin": "margin marge spanne handelsspanne margen margine",
    "picture": "image img picture photo pic bild foto imagen immagine imagem thumbnail",
    "link": "link url href src uri permalink",
    "cents": "cents cent minor pence centimos centesimi centavos centimes",
    "shipping": "shipping ship shipped delivery delivered liefer lieferung versand freight fulfillment fulfilment",
    "test": "test testing prueba prova",
    "other": (
        "parent billing tax vat mwst steuer ust iva discount rabatt descuento dto sconto coupon promo promotion cost "
        "ek flag flg address street city plz zip postal country region birth due "
        "cancel canceled cancelled refund refunded return returned reason comment note agent ip phone first length "
        "weight height width old previous compare fee segment limit estimated expiry"
    ),
}
"""Words of each concept that names of columns are made of; a plural s and accents do not matter. `shipping` and `other`
are values that none of RecoMart's columns has, such as the price of the shipping."""

IGNORED_WORDS = (
    "net netto gross brutto incl excl inkl exkl of the in on is my de der des du del current default main base raw dim "
    "fact list regular final retail eur euro usd gbp chf pln utc gmt local iso full pseudo detail info entry stamp"
)
"""Words that do not change what the name of a column means."""

EVENT_TYPE_WORDS = {
    "view": (
        "view viewed impression detail pdp pv open opened show shown seen ansicht angesehen vista visualizacao "
        "visualizacion vu"
    ),
    "click": "click clicked tap tapped select selected klick clic",
    "add": "add added put insert atc hinzugefügt ajout",
    "cart": "cart basket bag trolley warenkorb panier carrito carrinho",
    "remove": "remove removed delete deleted entfernt",
    "purchase": "purchase purchased buy bought transaction sale sold kauf gekauft compra achat",
    "order": "order bestellung pedido commande",
    "checkout": "checkout payment",
    "done": "completed complete done success succeeded placed paid finished abgeschlossen",
    "page": "page screen",
}
"""Words of each concept that event types are made of."""

IGNORED_EVENT_WORDS = "product item sku article artikel event track user to from the of in"
"""Words that do not change what an event type means."""

STATUS_WORDS = {
    "unfinished": (
        "cancel canceled cancelled cancellation fail failed failure pending void voided decline declined unpaid draft "
        "trash hold expired abandoned reject rejected storno storniert annulliert annullato annullata anulado anulada "
        "annule annulled cancelado cancelada offen error"
    ),
    "refund": (
        "refund refunded return returned chargeback retour retourniert retoure ruckgabe erstattet erstattung "
        "gutschrift devuelto devolucion rembourse remboursement"
    ),
    "partial": "partial partially partly teilweise teil",
    "not": "not no non nicht kein",
}
"""Words of each concept that statuses of orders are made of."""

STRUCTURE_KEYS = (
    "properties props params attributes attrs payload data body fields node details context ctx traits record meta"
)
"""Keys of JSON objects that only hold others."""

OPEN_CONCEPTS = frozenset({"email", "sku", "barcode", "quantity", "price", "currency", "category", "brand", "updated"})
"""Concepts that mean the same beside other words, as in brand_label."""

CONTEXT_CONCEPTS = frozenset({"user", "product", "item", "line", "order", "event", "sale", "catalog"})
"""Concepts that say where a value belongs, such as the order in order_currency."""
IGNORED = "ignored"
"""The concept of words that change nothing."""


def fold(text: str) -> str:
    """Return a text in lower case without accents; `ae`, `oe` and `ue` are umlauts."""
    letters = unicodedata.normalize("NFKD", text.lower()).replace("ß", "ss")
    # Italian has N. documento and Q.tà.
    letters = re.sub(r"\bq\.(?=t)", "q", re.sub(r"\bn *[.°] *(?=\w)", "no ", letters))
    return re.sub("([aou])e", r"\1", "".join(char for char in letters if not unicodedata.combining(char)))


class WordIndex:
    """Finds the concepts of a name's words."""

    def __init__(self, words_by_concept: Mapping[str, str], ignored_words: str = "") -> None:
        self._concepts = {fold(word): concept for concept, words in words_by_concept.items() for word in words.split()}
        self._concepts |= {fold(word): IGNORED for word in ignored_words.split()}

    def find_concepts(self, name: str) -> tuple[str, ...]:
        """Return the concepts of a name's words without repetitions; unknown words stay as they are."""
        spaced = re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
        words = re.findall(r"[^\W\d_]+|#", fold(spaced))
        concepts = [self._get_concept(part) or part for word in words for part in self._split_compound(word)]
        return tuple(dict.fromkeys(concept for concept in concepts if concept != IGNORED))

    def _get_concept(self, word: str) -> str | None:
        # German joins words with an s or n, as in Warengruppennummer.
        singulars = (word, *(word.removesuffix(ending) for ending in ("s", "n", "en")), re.sub("ies$", "y", word))
        return next((self._concepts[singular] for singular in singulars if singular in self._concepts), None)

    def _split_compound(self, word: str) -> list[str]:
        """Split a word such as `kundennr` into known words, the longest first; other words stay whole."""
        if self._get_concept(word):
            return [word]
        for end in range(len(word) - 2, 1, -1):
            if self._get_concept(word[:end]):
                rest = self._split_compound(word[end:])
                if all(map(self._get_concept, rest)):
                    return [word[:end], *rest]
        return [word]


_column_index = WordIndex(COLUMN_WORDS, IGNORED_WORDS)
_event_type_index = WordIndex(EVENT_TYPE_WORDS, IGNORED_EVENT_WORDS)
_status_index = WordIndex(STATUS_WORDS)


@lru_cache(maxsize=4096)
def find_concepts(name: str) -> tuple[str, ...]:
    """Return the concepts of the name of a column or file.

    A path such as `$.order.customer.id` means its last two keys.
    """
    try:
        *parents, key = split_json_path(name)
    except ValueError:
        # A column of CSV can have any name.
        parents, key = [], name
    is_structure = not parents or fold(parents[-1]) in STRUCTURE_KEYS.split()
    return _column_index.find_concepts(key if is_structure else f"{parents[-1]} {key}")


def find_event_type_concepts(value: str) -> frozenset[str]:
    """Return the concepts of a shop's event type."""
    return frozenset(_event_type_index.find_concepts(value))


def find_status_meaning(value: str) -> str | None:
    """Return whether the status of an order says that it is `unfinished` or a `refund`; None for other ones."""
    concepts = _status_index.find_concepts(value)
    meanings = [concept for concept in concepts if concept in ("unfinished", "refund")]
    return meanings[0] if meanings and not {"partial", "not"}.intersection(concepts) else None


def count_other_words(phrase: str, concepts: Sequence[str]) -> int | None:
    """Return how many words a name has beside those of a phrase such as `user id`; None if it means something else.

    A phrase of one word fits a name of that word only, unless it is an open concept. Other names may have unknown
    words, and before the phrase concepts that say where the value belongs.
    """
    # The unit of an amount changes nothing: item_price_cents is a price.
    concepts = [concept for concept in concepts if concept != "cents"]
    is_open = phrase in OPEN_CONCEPTS
    wanted = set(phrase.split())
    places = [place for place, concept in enumerate(concepts) if concept in wanted]
    # A word between those of the phrase changes its meaning: sales_channel_id is no id of a sale.
    if len(places) < len(wanted) or places[-1] - places[0] >= len(wanted):
        return None
    others = [concept for concept in concepts if concept not in wanted]
    known = {concept for concept in others if concept in COLUMN_WORDS}
    is_at_end = is_open or places[-1] == len(concepts) - 1
    if (others and len(wanted) == 1 and not is_open) or (known and not (is_at_end and known <= CONTEXT_CONCEPTS)):
        return None
    return len(others)
