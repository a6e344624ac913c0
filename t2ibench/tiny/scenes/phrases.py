"""Short phrases about things that a scene does not draw; no animal is ever named here."""

UNSEEN: tuple[str, ...] = tuple(
    line.strip()
    for line in """
while a clock hangs on the wall
with a smile
in black and white
cooking pancakes
playing the piano
in an office
working on a laptop
talking on a cell phone
watching television
with a birthday cake
during a thunderstorm
in a library full of books
next to a parked motorcycle
waiting at a bus stop
in front of a train
as an airplane flies overhead
with a slice of pizza
eating a sandwich
baking bread in an oven
on a wooden boat
at a crowded market
dancing at a party
painting a portrait
reading a newspaper
playing chess
solving a puzzle
fixing a broken engine
with a red stop sign
near a fire hydrant
under a traffic light
on a surfboard
riding the waves
playing tennis
swinging a baseball bat
kicking a soccer ball
skiing down a slope
snowboarding
flying a kite
taking a selfie
looking in a mirror
brushing its teeth
taking a bath
in a bathroom with a sink
next to a white toilet
inside a refrigerator
with a vase of roses
with a bowl of soup
with bananas and apples
holding a pair of scissors
with a suitcase
wearing a backpack
carrying a handbag
dressed in a suit
in a wedding dress
dressed as an astronaut
wearing a superhero cape
in medieval armor
dressed as a wizard
as a detective
as a doctor in a hospital
as a teacher in a classroom
giving a speech
conducting an orchestra
playing the violin
playing drums in a band
singing on a stage
at a concert
in a movie theater
at a computer desk
typing on a keyboard
with a remote control
using a microscope
in a science laboratory
mixing potions
building a robot
repairing a clock
writing a letter
drawing on a blackboard
folding paper
knitting a sweater
sewing clothes
doing laundry
washing dishes
vacuuming the carpet
watering the plants
planting a garden
picking strawberries
chopping vegetables
making coffee
serving drinks at a bar
ordering food in a restaurant
eating spaghetti
with a glass of wine
at a picnic
by a campfire
roasting marshmallows
in a tent
climbing a ladder
hanging from a rope
jumping on a trampoline
lifting weights
doing yoga
meditating
running a marathon
boxing in a ring
lost in thought
with a sad expression
with a surprised look
feeling happy
looking out the window
looking at something
in the background
in the distance
on a rainy day
in thick fog
with a rainbow above
under falling leaves
with cherry blossoms
in a field of sunflowers
on top of a hill
in a narrow alley
on a bridge
in an old castle
inside a spaceship
under the sea
in a hot air balloon
on a roller coaster
at an amusement park
at the airport
on a subway train
driving a truck
flying a plane
steering a ship
sailing across the ocean
exploring a cave
searching for treasure
reading a map
with a magic wand
juggling
telling a story
counting money
selling fruit
delivering mail
shopping for groceries
in a museum
in the style of an oil painting
like an old photograph
viewed from above
seen through a window
with many people around
behind glass
in the rain
in autumn
in early spring
on a summer afternoon
with long shadows
having a good time
that looks very calm
ready to go
in a very strange place
with lots of colors
""".strip().splitlines()
)
