"""Which of the ten classes a sentence names, and the rule that rejects it where it does not name exactly one.

Source: IEIE 2026, section 3.1.2: a prompt holds one distinct animal category and no overlapping ones. The paper
gives no rules for words that only look like a class ("hot dog", "bear fruit", "horse statue"); these are ours.

A class is named by its own word: singular, plural or possessive, in any case, as a whole word. A synonym or a young
one ("kitten", "puppy", "lamb", "cattle") names no class by itself, and speaks against every class but its own:
"a cat with her kitten" is a cat, "a dog with a kitten" is two classes.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from t2ibench.records import CLASSES

RULES = {
    "empty": "no text: null, not a string, or without a single letter",
    "teddy-bear": "a teddy bear, or another bear for a child (gummy, care)",
    "depiction": "a likeness: a statue, toy, painting, costume, ornament, cake or cartoon in the animal's shape",
    "dressed-as": "something dressed, shaped, painted or made like the animal",
    "absent": "the caption says that the animal is not there",
    "several-classes": "more than one of the ten classes, a synonym or a young one included",
    "another-animal": "another animal beside the class, or 'other animals'",
    "hot-dog": "food: hot dog, corn dog, chili dog, dogs in buns",
    "horseback": "the rider's seat, without the horse",
    "bird-house": "a thing for birds: house, feeder, cage, bath, nest, seed",
    "bear-verb": "the verb to bear: bears a name, bear with us, trees that bear fruit",
    "print": "the animal's skin as a pattern or a hide: zebra print, cowhide, sheepskin",
    "animal-gear": "a thing or place for the animal, without it: dog bed, cat food, horse trailer",
    "other-sense": "a compound that means another thing: sea horse, zebra crossing, cat nap, bird's eye view",
    "proper-name": "a name: Chicago Bears, Angry Birds, White Horse Inn",
    "synonym": "a synonym or a young one alone: kitten, puppy, cattle, seagull",
    "inside-a-word": "the letters of a class inside another word: category, coward, beard",
    "no-class": "none of the ten classes",
}
"""What rejects a sentence, in words. `judge` tells the rules; a sentence falls under exactly one."""


def _words(text: str) -> str:
    return "|".join(text.split())


def _each(text: str, owners: str) -> dict[str, frozenset[str]]:
    """Singulars and plurals of the words in `text`, each with the classes that it may stand beside."""
    return {form: frozenset(owners.split()) for word in text.split() for form in plurals(word)}


def plurals(word: str) -> tuple[str, ...]:
    """A noun and the plurals that people write: `puppy` gives puppy, puppys, puppies."""
    regular = word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")
    irregular = {"calf": "calves", "wolf": "wolves", "mouse": "mice", "goose": "geese", "ox": "oxen"}.get(word)
    spelled = word[:-1] + "ies" if word.endswith("y") else irregular
    return (word, regular, spelled) if spelled else (word, regular)


OWN = {form: name for name in CLASSES for form in plurals(name)}
KIN = (
    _each("kitten kitty feline tomcat", "cat")
    | _each("puppy pup pooch doggy doggie canine hound retriever terrier poodle labrador corgi dachshund beagle", "dog")
    | _each("chihuahua husky collie pug spaniel rottweiler dalmatian greyhound mutt schnauzer bulldog pitbull", "dog")
    | _each("sheepdog", "dog")
    | _each("pony colt stallion gelding filly clydesdale", "horse")
    | _each("foal mare", "horse zebra")
    | _each("cattle bull ox steer heifer bovine", "cow")
    | _each("longhorn", "cow sheep")
    | _each("calf", "cow elephant giraffe")
    | _each("lamb ram ewe", "sheep")
    | _each("cub panda grizzly", "bear")
    | _each("seagull gull pigeon duck duckling goose swan parrot parakeet cockatoo owl eagle hawk falcon", "bird")
    | _each("vulture pelican heron egret stork flamingo peacock penguin ostrich emu hen rooster chicken chick", "bird")
    | _each("sparrow robin finch crow raven dove hummingbird blackbird songbird seabird bluebird woodpecker", "bird")
    | _each("turkey toucan cormorant macaw waterfowl fowl", "bird")
)
OTHERS = frozenset(
    _each("monkey ape gorilla chimp chimpanzee baboon lemur lion lioness tiger leopard cheetah panther jaguar puma", "")
    | _each("fox wolf coyote hyena jackal deer fawn moose elk reindeer antelope gazelle impala wildebeest kudu", "")
    | _each("oryx okapi buffalo bison goat pig piglet hog boar warthog donkey mule burro camel llama lama alpaca", "")
    | _each("rabbit bunny hare squirrel chipmunk hamster rat mouse hedgehog raccoon skunk beaver otter badger", "")
    | _each("ferret meerkat seal walrus whale dolphin shark fish catfish goldfish salmon trout turtle tortoise", "")
    | _each("frog toad lizard snake iguana crocodile alligator dinosaur dragon unicorn kangaroo koala sloth", "")
    | _each("rhino rhinoceros hippo hippopotamus crab lobster octopus spider butterfly bee insect", "")
)

_OWN = _words(" ".join(sorted(OWN, key=len, reverse=True)))
_ADJ = r"\d+|black and white|brown and white|" + _words(
    "two three four five large small big little tiny giant huge cute old young baby adult wild black white brown grey "
    "gray red pink blue green yellow orange golden purple colorful polar grizzly panda animal toy life size sized "
    "smiling happy"
)
_DET = _words("a an the his her its their this that some any many several pair couple herd group flock row line of")
_MADE = _words(
    "stuffed stuff plush toy teddy fake plastic wooden ceramic porcelain metal bronze stone marble glass paper origami "
    "clay rubber inflatable blow-up carved sculpted painted cartoon animated knitted crocheted lego "
    "gingerbread mechanical carousel rocking concrete iron brass wire robot robotic decorative balloon cardboard "
    "animatronic artificial pretend topiary"
)
_LIKENESS = _words(
    "statue statues statuette sculpture sculptures figurine figurines figure figures ornament ornaments painting "
    "paintings drawing drawings sketch illustration poster posters mural murals carving carvings cartoon cartoons "
    "doll dolls puppet puppets balloon balloons kite kites cake cakes cookie cookies costume costumes mask masks "
    "sticker stickers logo logos cutout cutouts decoration decorations tattoo silhouette silhouettes replica "
    "graffiti artwork magnet magnets plushie plushies topiary stencil vase vases mural exhibit display displays"
)
_WORN = _words(
    "art hat hats suit outfit pajamas slippers sign signs picture pictures pillow pillows shirt tie clock lamp vase "
    "teapot mug bank planter plush design emblem icon shape shaped themed head-piece piñata pinata"
)
_NEST = "(?:houses?|feeders?|cages?|baths?|seeds?|nests?|box|boxes|food|feed|watchers?)"
_GEAR = _words(
    "food bed beds bowl bowls dish toy toys collar collars leash house houses park parks door treat treats "
    "biscuit biscuits bone crate carrier cart sled kennel show trailer trailers stall stalls stable stables barn barns "
    "farm ranch pasture enclosure enclosures exhibit exhibits pen pens litter tree tower post poop droppings dung "
    "manure milk meat walker walkers sitter vendor"
)
_BETWEEN = rf"(?:(?:{_ADJ}) ){{0,3}}"
_MIDDLE = rf"(?:(?:{_DET}|{_ADJ}) ){{0,5}}"

_REJECT: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("teddy-bear", re.compile(r"\b(?:te+d+[ya]?y?(?: \w+)?|gummy|gummi|care) bears?\b|\bteddybears?\b|\bteddy\b")),
    ("depiction", re.compile(
        rf"\b(?:{_MADE}) {_BETWEEN}(?:{_OWN})\b(?! (?:{_NEST}|{_GEAR})\b)"
        rf"|(?<!hot )(?<!chili )\b(?:{_OWN}) (?:{_LIKENESS}|{_WORN})\b"
        rf"|\b(?:{_LIKENESS}) (?:of|with|featuring|showing) {_MIDDLE}(?:{_OWN})\b"
        rf"|\b(?:with|holding|holds|framed) (?:a|an|the) (?:\w+ )?(?:picture|photo)s? of {_MIDDLE}(?:{_OWN})\b"
        rf"|\b(?:{_OWN}) (?:\w+ )?(?:is|are) made (?:up |out )*of\b|\b(?:{_OWN}) (?:crossing|walking) (?:sign|on it)"
        r"|\b(?:(?:stuffed|plush) (?:toy )?(?:animals?|toys?)|toy animals?|bean(?:y|ie) bab(?:y|ies))\b"
        r"|\b(?:depict\w*|in the shape of|kid's horse)\b"
        r"|\b(?:painted|drawn|printed|engraved|etched|embroidered) on\b|\b(?:ancient|decorative|antique) vase\b"
        r"|\b(?:on (?:a |the )?(?:\w+ )?display|display window|displayed in|(?:in|at) (?:a|the) (?:\w+ )?museum)\b"
        r"|\bmerry go round\b")),
    ("dressed-as", re.compile(
        rf"\b(?:dressed|disguised|shaped|painted|decorated|made|look|looks|looking|designed|costumed)(?: up| out)?"
        rf"(?: to look)? (?:like|as|into) {_MIDDLE}(?:{_OWN})\b|\bresembl\w+ {_MIDDLE}(?:{_OWN})\b"
        rf"|\b(?:decorated|painted|printed|embroidered|carved) (?:with|in) {_MIDDLE}(?:{_OWN})\b"
        rf"|\b(?:shape|form|likeness) of {_MIDDLE}(?:{_OWN})\b")),
    ("absent", re.compile(rf"\b(?:no|(?<!can )not|without|sans|never|lacking) (?:more )?{_MIDDLE}(?:{_OWN})\b")),
)
"""These reject a sentence whatever else it names: the picture would show the animal's likeness, or nothing."""

_CHANGE = (
    (re.compile(r"\bsheep dog(s?)\b"), r"sheepdog\1"),
    (re.compile(r"\bbull dog(s?)\b"), r"bulldog\1"),
    (re.compile(r"\bpit bull(s?)\b"), r"pitbull\1"),
    (re.compile(r"\btiger (?:striped )?(cats?)\b"), r"\1"),
    (re.compile(r"\bbull (elephant|giraffe)"), r"\1"),
)
"""Two words that are one animal."""


def _sense(rule: str, owner: str, pattern: str) -> tuple[str, str, re.Pattern[str]]:
    return rule, owner, re.compile(rf"\b(?:{pattern})\b")


_BORNE = _words(
    "names? logos? flags? signs? messages? pictures? slogans? words? images? colou?rs inscriptions? numbers? initials "
    "titles? dates? symbols? weight load brunt burden cross marks? scars?"
)
_SENSES = (
    _sense("hot-dog", "dog", r"(?:hot|corn|chili|chilli|cheese|coney|veggie) ?dogs?|hotdogs?"),
    _sense("hot-dog", "dog", r"dogs? (?:\w+ ){0,2}(?:in|on|with|inside|under) (?:\w+ ){0,3}"
           r"(?:buns?|ketchup|mustard|relish|sauerkraut)"),
    _sense("horseback", "horse", r"horse ?backs?"),
    _sense("bird-house", "bird", rf"bird(?:'s)? ?{_NEST}"),
    _sense("bear-verb", "bear", r"(?<!next )(?<!close )to bear(?! cubs?)|(?:can|can't|cannot|could|couldn't|must|will"
           r"|would|should|may|might|they|we|i) bear"),
    _sense("bear-verb", "bear", rf"bears? (?:witness|arms|gifts?|(?:(?:{_ADJ}|ripe|sweet) )?fruit|with (?:me|us)"
           rf"|in mind|down on|resemblance|(?:the|a|an|his|her|its|their|no) (?:\w+ )?(?:{_BORNE}))"),
    *(_sense("print", name, rf"{name}s? (?:prints?|printed|patterns?|patterned|skins?|stripes?|strips?|striped"
             rf"|hide (?:rug|chair|carpet|on the floor|on the wall))|{name}skins?") for name in CLASSES),
    _sense("print", "cow", r"cow ?hides?(?: rugs?)?"),
    *(_sense("animal-gear", name, rf"{name} (?:{_GEAR})") for name in CLASSES),
    _sense("other-sense", "cat", r"(?:on|down|along) (?:a|the) cat walk|(?:a|an|quick|short) cat nap|cat fish|cat scan"
           r"|cats?(?:'s)? eyes? (?:sun)?glasses|cat nip (?:toy|plant|bag)"),
    _sense("other-sense", "dog", r"prairie dogs?|dog (?:wood|days|eared|tags?(?! along))|raining cats and dogs"),
    _sense("other-sense", "horse", r"(?:sea|saw|pommel|clothes|vaulting) ?horses?|horse (?:radish|shoes?|power)"),
    _sense("other-sense", "bird", r"bird'?s? eye|birds? of paradise|lady ?birds?|(?:go|goes|going|for) bird watching"),
    _sense("other-sense", "zebra", r"zebra (?:crosswalks?|crossings?(?! (?:an?|the|over|dirt|road|street|river)\b))"),
    _sense("other-sense", "cow", r"cow (?:boy|girl|bell)s?"),
    _sense("other-sense", "elephant", r"elephant (?:ears? (?:plants?|leaf|leaves)|seals?|garlic)"),
    _sense("other-sense", "bear", r"(?:a|big) bear hug|bear claw (?:pastry|pastries|donuts?)"),
    _sense("proper-name", "bear", r"(?:chicago|baylor|smokey|paddington|yogi|pooh|build a|da) (?:the )?bears?"),
    _sense("proper-name", "bird", r"(?:sesame street'?s? |elmo and )big bird|angry birds?|larry bird|bird scooters?"),
    _sense("proper-name", "cat", r"cat in the hat|cheshire cat|cat (?:excavator|bulldozer|tractor|digger|loader)s?"),
    _sense("proper-name", "horse", r"white horse (?:inn|pub|tavern|hotel)|crazy horse|trojan horse|iron horse"),
)
"""Other senses: (rule, class, pattern). They name no class; beside their own animal they are harmless."""

_LETTERS = re.compile("|".join(CLASSES))
_TOKEN = re.compile(r"\w+")
_COMPUTER = re.compile(r"\b(?:computer|keyboard|laptop|desk|monitor|wireless|mouse ?pad|pc|cordless)s?\b")
_OTHER = re.compile(r"\b(?:other|another|different|various) (?:\w+ )?animals?\b")


class Naming(NamedTuple):
    """class_name: the one class that a sentence names, or empty; rule: what rejects it, or empty."""

    class_name: str
    rule: str


def normal(text: str) -> str:
    """A sentence as the rules see it: lower case, one space between words, apostrophes kept, hyphens opened."""
    return " ".join(re.findall(r"\w+(?:'\w+)?", text.lower().replace("’", "'").replace("_", " ")))


def judge(text: str) -> Naming:
    """The one class that a sentence names, or the rule that rejects it. It looks at the text and nothing else."""
    sentence = normal(text)
    if not re.search(r"[^\W\d_]", sentence):
        return Naming("", "empty")
    if not _LETTERS.search(sentence):
        return Naming("", "synonym" if any(word in KIN for word in _TOKEN.findall(sentence)) else "no-class")
    for pattern, words in _CHANGE:
        sentence = pattern.sub(words, sentence)
    for rule, pattern in _REJECT:
        if pattern.search(sentence):
            return Naming("", rule)
    return _count(sentence)


def _count(sentence: str) -> Naming:
    """Judges a sentence that shows no likeness: masks the other senses, then counts the animals that are left."""
    trap = ""
    traps: set[str] = set()
    for rule, owner, pattern in _SENSES:
        if pattern.search(sentence):
            trap, traps = trap or rule, traps | {owner}
            sentence = pattern.sub("…", sentence)
    words = _TOKEN.findall(sentence)
    named = {OWN[word] for word in words if word in OWN}
    if not named:
        return Naming("", trap or ("synonym" if any(word in KIN for word in words) else "inside-a-word"))
    if len(named) > 1 or any(not named & KIN[word] for word in words if word in KIN):
        return Naming("", "several-classes")
    if _OTHER.search(sentence) or _animals(words, sentence):
        return Naming("", "another-animal")
    if traps - named:
        return Naming("", trap)
    return Naming(named.pop(), "")


def _animals(words: Iterable[str], sentence: str) -> frozenset[str]:
    """Animals that are no class. A mouse beside a computer is none."""
    found = OTHERS.intersection(words)
    return found - {"mouse", "mice"} if _COMPUTER.search(sentence) else found


def fault(text: str, class_name: str) -> str:
    """What is wrong with a prompt of a class, in words; empty where nothing is."""
    found, rule = judge(text)
    if rule:
        return f"{rule}: {RULES[rule]}"
    return "" if found == class_name else f"it names {found}, not {class_name}"
