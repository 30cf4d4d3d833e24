"""Names and price levels of the demo catalog."""

CATEGORIES: dict[str, tuple[float, tuple[str, ...]]] = {
    "audio": (79.0, ("Headphones", "Speaker", "Earbuds", "Soundbar", "Radio", "Turntable", "Microphone", "Amplifier")),
    "beauty": (18.0, ("Serum", "Face Cream", "Lipstick", "Shampoo", "Mascara", "Body Lotion", "Hand Cream", "Perfume")),
    "books": (14.0, ("Novel", "Cookbook", "Atlas", "Biography", "Thriller", "Picture Book", "Guide", "Anthology")),
    "camping": (64.0, ("Tent", "Sleeping Bag", "Camp Stove", "Headlamp", "Cool Box", "Hammock", "Backpack", "Canteen")),
    "clothing": (39.0, ("Jacket", "Shirt", "Jeans", "Dress", "Sweater", "Socks", "Coat", "Scarf")),
    "computing": (129.0, ("Keyboard", "Monitor", "Mouse", "Router", "Webcam", "Hard Drive", "Laptop Stand", "Tablet")),
    "garden": (34.0, ("Rake", "Planter", "Hose", "Lantern", "Secateurs", "Bird Feeder", "Parasol", "Lawn Mower")),
    "groceries": (7.0, ("Coffee Beans", "Olive Oil", "Granola", "Green Tea", "Pasta", "Chocolate", "Honey", "Chutney")),
    "kitchen": (29.0, ("Kettle", "Frying Pan", "Knife", "Blender", "Baking Tin", "Teapot", "Cutting Board", "Toaster")),
    "shoes": (74.0, ("Sneakers", "Boots", "Sandals", "Loafers", "Running Shoes", "Slippers", "Trail Shoes", "Clogs")),
    "sports": (44.0, ("Yoga Mat", "Dumbbells", "Football", "Tennis Racket", "Helmet", "Jump Rope", "Bottle", "Gloves")),
    "toys": (22.0, ("Puzzle", "Building Set", "Board Game", "Doll", "Train Set", "Kite", "Plush Bear", "Marble Run")),
}  # fmt: skip
"""Median price and product nouns of each category."""

ADJECTIVES = (
    "Classic", "Compact", "Bold", "Bright", "Calm", "Clever", "Cosy", "Daily", "Deluxe", "Eco", "Essential", "Fine",
    "Folding", "Gentle", "Grand", "Light", "Little", "Natural", "Original", "Pocket", "Pure", "Quick", "Quiet", "Royal",
    "Rustic", "Slim", "Smart", "Soft", "Sturdy", "Urban",
)  # fmt: skip

BRANDS = (
    "Alderly", "Arvenna", "Bexholm", "Brindle", "Calvora", "Cindermoor", "Corvane", "Dalmory", "Dunwick", "Elmsund",
    "Fairlow", "Fennimore", "Galdra", "Glenbrook", "Harrowby", "Hollin", "Ivarra", "Jorvale", "Kestrelle", "Kirrin",
    "Larkmead", "Lumora", "Marrowind", "Mirefield", "Nordhal", "Novella", "Oakhaven", "Orlane", "Pellworth", "Quillon",
    "Ravensby", "Rosmere", "Silvane", "Solbakken", "Tarnwood", "Thistle", "Umbrel", "Verandal", "Westerby", "Yarrow",
)  # fmt: skip
