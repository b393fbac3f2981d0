//! The table the made-up country is built from. The nine regions are England's; every integrated care board
//! below them is invented, in name and code, and only as large, poor and rural as boards are.

/// A region of England, as HES and as the NHS name it.
pub(crate) struct Region {
    /// `RESGOR` and `GORTREAT`.
    pub(crate) letter: &'static str,
    /// `RESGOR_ONS`.
    pub(crate) ons: &'static str,
    /// The NHS England region it belongs to.
    pub(crate) nhs: &'static str,
    pub(crate) nhs_name: &'static str,
    /// Weights of the sixteen ethnic categories, in the order of [`ETHNICITIES`].
    pub(crate) ethnicity: [u32; 16],
}

/// `ETHNOS` codes, White British first.
pub(crate) const ETHNICITIES: [&str; 16] =
    ["A", "B", "C", "D", "E", "F", "G", "H", "J", "K", "L", "M", "N", "P", "R", "S"];

const fn region(
    letter: &'static str,
    ons: &'static str,
    nhs: (&'static str, &'static str),
    ethnicity: [u32; 16],
) -> Region {
    Region { letter, ons, nhs: nhs.0, nhs_name: nhs.1, ethnicity }
}

const NORTH_EAST_AND_YORKSHIRE: (&str, &str) = ("Y63", "North East and Yorkshire");
const MIDLANDS: (&str, &str) = ("Y60", "Midlands");

/// North East, North West, Yorkshire and The Humber, East and West Midlands, East of England, London, South East,
/// South West.
#[rustfmt::skip]
pub(crate) static REGIONS: [Region; 9] = [
    region("A", "E12000001", NORTH_EAST_AND_YORKSHIRE,
        [925, 4, 20, 2, 1, 3, 2, 8, 9, 5, 5, 1, 6, 1, 5, 3]),
    region("B", "E12000002", ("Y62", "North West"),
        [860, 8, 26, 6, 3, 4, 3, 16, 32, 8, 8, 4, 10, 3, 6, 3]),
    region("D", "E12000003", NORTH_EAST_AND_YORKSHIRE,
        [855, 5, 28, 6, 2, 4, 3, 14, 45, 5, 8, 5, 9, 2, 5, 4]),
    region("E", "E12000004", MIDLANDS,
        [840, 6, 40, 9, 2, 4, 3, 40, 12, 4, 9, 6, 11, 2, 6, 6]),
    region("F", "E12000005", MIDLANDS,
        [775, 9, 34, 12, 2, 5, 4, 42, 46, 11, 13, 16, 14, 4, 6, 7]),
    region("G", "E12000006", ("Y61", "East of England"),
        [840, 9, 54, 7, 4, 6, 5, 18, 13, 7, 11, 6, 14, 2, 7, 4]),
    region("H", "E12000007", ("Y56", "London"),
        [420, 20, 140, 15, 9, 12, 17, 70, 29, 33, 55, 42, 75, 20, 16, 27]),
    region("J", "E12000008", ("Y59", "South East"),
        [835, 9, 55, 6, 4, 8, 5, 20, 13, 4, 14, 4, 12, 2, 7, 5]),
    region("K", "E12000009", ("Y58", "South West"),
        [920, 6, 36, 5, 2, 4, 3, 7, 2, 2, 5, 2, 5, 1, 4, 2]),
];

/// An invented integrated care board.
pub(crate) struct Board {
    /// Position in [`REGIONS`].
    pub(crate) region: usize,
    pub(crate) name: &'static str,
    /// How many small areas it has, before scaling.
    pub(crate) size: u32,
    /// How many sub-locations.
    pub(crate) parts: u32,
    /// Deprivation of its average area, in thousandths of the country's range.
    pub(crate) deprivation: u32,
    /// Rural areas, in thousandths.
    pub(crate) rural: u32,
}

const fn board(
    region: usize,
    name: &'static str,
    size: u32,
    parts: u32,
    deprivation: u32,
    rural: u32,
) -> Board {
    Board { region, name, size, parts, deprivation, rural }
}

pub(crate) static BOARDS: [Board; 42] = [
    board(0, "Norholm and Tarrenside", 1660, 8, 640, 200),
    board(1, "Ellerfold and Wyrebank", 1060, 8, 600, 180),
    board(1, "Calderworth", 1670, 10, 660, 40),
    board(1, "Deewater and Sandholme", 1560, 9, 620, 100),
    board(2, "Humbersby and Northfold", 1040, 6, 520, 300),
    board(2, "Donbrook", 850, 4, 640, 80),
    board(2, "Airedge", 1420, 5, 620, 120),
    board(3, "Lindmere", 420, 1, 480, 450),
    board(3, "Soarfield", 610, 3, 470, 150),
    board(3, "Derrowdale", 640, 1, 490, 220),
    board(3, "Nenebridge", 420, 1, 480, 250),
    board(3, "Trentwold", 680, 2, 570, 140),
    board(4, "Staffingham", 690, 6, 500, 200),
    board(4, "Severnhope", 300, 1, 480, 400),
    board(4, "Avonleigh", 530, 1, 480, 150),
    board(4, "Malvernshaw", 480, 1, 430, 350),
    board(4, "Brumworth", 770, 1, 720, 0),
    board(4, "Blackforge", 710, 1, 690, 10),
    board(5, "Norwold and Waveley", 610, 1, 500, 450),
    board(5, "Suffingham", 560, 3, 460, 350),
    board(5, "Ouselow", 540, 1, 470, 150),
    board(5, "Hartwell and Leaside", 860, 3, 380, 120),
    board(5, "Crouchmere", 710, 5, 450, 120),
    board(5, "Granta and Fenholt", 500, 1, 420, 350),
    board(6, "Westbrent", 1150, 1, 500, 0),
    board(6, "Northlea", 800, 1, 560, 0),
    board(6, "Eastmarsh", 1020, 1, 600, 0),
    board(6, "Southwharf", 1010, 1, 560, 0),
    board(6, "Wandleham", 860, 1, 400, 0),
    board(7, "Kentholm", 1070, 1, 480, 250),
    board(7, "Frimbourne", 440, 1, 330, 80),
    board(7, "Solentshire", 1090, 2, 430, 200),
    board(7, "Oxbourne", 1010, 3, 320, 280),
    board(7, "Surridge", 620, 1, 280, 150),
    board(7, "Sussmere", 1000, 3, 460, 220),
    board(8, "Kernowick", 330, 1, 560, 550),
    board(8, "Dartholm", 710, 1, 500, 400),
    board(8, "Somerleigh", 330, 1, 470, 450),
    board(8, "Bristow", 560, 1, 480, 150),
    board(8, "Wiltmere", 530, 1, 390, 350),
    board(8, "Purbeckham", 450, 1, 430, 300),
    board(8, "Gloverton", 370, 1, 410, 280),
];

/// First halves of invented town names.
pub(crate) const FIRST: [&str; 40] = [
    "Alder", "Ash", "Beck", "Birch", "Brack", "Brook", "Cran", "Crow", "Dun", "Elm", "Fern", "Fox",
    "Glen", "Gorse", "Hale", "Haw", "Hazel", "Heath", "Holm", "Kestrel", "Lark", "Ling", "Marl",
    "Moss", "Nether", "Oak", "Orchard", "Pen", "Quarry", "Raven", "Rush", "Sedge", "Stone",
    "Thorn", "Upper", "Wend", "Whin", "Willow", "Wren", "Yew",
];

/// Second halves of invented town names.
pub(crate) const SECOND: [&str; 20] = [
    "acre", "beck", "bourne", "by", "combe", "croft", "den", "field", "ford", "gate", "ham",
    "holt", "hurst", "ley", "mere", "shaw", "stow", "thwaite", "wick", "worth",
];
