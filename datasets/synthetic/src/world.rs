//! A made-up country: regions, care boards, their parts, practices, trusts and small areas. The same for every
//! population and every seed, so that reference tables are public and stable.

mod places;

use std::ops::Range;
use std::sync::LazyLock;

use crate::draw::{Draw, Purpose};

pub(crate) use places::{BOARDS, Board, ETHNICITIES, REGIONS, Region};
use places::{FIRST, SECOND};

/// Small areas (LSOAs) in the country.
pub(crate) const AREAS: u32 = 32_844;
const PRACTICES: u32 = 1_600;
/// Acute trusts beyond the one that every board has.
const FURTHER_TRUSTS: u32 = 56;
/// Small areas of one middle area (MSOA), and of one district.
const AREAS_PER_MIDDLE: u32 = 5;
const AREAS_PER_DISTRICT: u32 = 104;

/// A sub-location of a care board.
pub(crate) struct Part {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) board: usize,
    pub(crate) areas: Range<u32>,
    pub(crate) practices: Range<u32>,
}

/// A care board with everything below it.
pub(crate) struct BoardPlaces {
    pub(crate) code: String,
    /// Acute trusts, then the mental health trust as the last.
    pub(crate) trusts: Range<u32>,
}

pub(crate) struct Practice {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) part: usize,
}

pub(crate) struct Trust {
    /// `PROCODE3`.
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) board: usize,
    /// The part of the board in which it has its seat.
    pub(crate) seat: usize,
    /// How many sites it has, 1 to 3.
    pub(crate) sites: u32,
}

/// A small area of some 1,500 people.
pub(crate) struct Area {
    pub(crate) code: String,
    pub(crate) middle: String,
    pub(crate) district: String,
    pub(crate) part: usize,
    /// 1 is the most deprived.
    pub(crate) rank: u32,
    /// 1 is the most deprived tenth.
    pub(crate) decile: u32,
    pub(crate) rural: bool,
    /// The acute trust most people here go to.
    pub(crate) trust: u32,
}

pub(crate) struct World {
    pub(crate) boards: Vec<BoardPlaces>,
    pub(crate) parts: Vec<Part>,
    pub(crate) practices: Vec<Practice>,
    pub(crate) trusts: Vec<Trust>,
    pub(crate) areas: Vec<Area>,
}

/// The country. Built once, from constants only.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::build);

impl World {
    pub(crate) fn board_of(&self, area: u32) -> usize {
        self.parts[self.areas[area as usize].part].board
    }

    pub(crate) fn region_of(&self, area: u32) -> &'static Region {
        &REGIONS[BOARDS[self.board_of(area)].region]
    }

    /// The part of its board in which a trust has its seat.
    pub(crate) fn seat_of(&self, trust: u32) -> usize {
        self.trusts[trust as usize].seat
    }

    fn build() -> Self {
        let mut draw = Draw::new(0, 0, Purpose::World);
        let mut names = (0..).map(invented_name);
        let mut world = Self {
            boards: Vec::new(),
            parts: Vec::new(),
            practices: Vec::new(),
            trusts: Vec::new(),
            areas: Vec::with_capacity(AREAS as usize),
        };
        let total: u32 = BOARDS.iter().map(|b| b.size).sum();
        let mut before = 0;
        for (at, board) in BOARDS.iter().enumerate() {
            let after = before + board.size;
            let areas = scale(before, total, AREAS)..scale(after, total, AREAS);
            let further =
                scale(after, total, FURTHER_TRUSTS) - scale(before, total, FURTHER_TRUSTS);
            world.add_trusts(at, board, 1 + further, &mut names);
            world.add_parts(at, board, areas, &mut names, &mut draw);
            before = after;
        }
        world.rank();
        world
    }

    fn add_trusts(
        &mut self,
        board_at: usize,
        board: &Board,
        acute: u32,
        names: &mut impl Iterator<Item = String>,
    ) {
        let first = self.trusts.len() as u32;
        for i in 0..=acute {
            let at = self.trusts.len() as u32;
            let name = match (names.next(), i == acute) {
                (Some(town), false) => format!("{town} Example Hospitals NHS Trust"),
                _ => format!("{} Example Mental Health NHS Trust", board.name),
            };
            self.trusts.push(Trust {
                code: trust_code(at),
                name,
                board: board_at,
                seat: self.parts.len() + (i % board.parts) as usize,
                sites: 1 + at % 3,
            });
        }
        self.boards.push(BoardPlaces {
            code: board_code(board_at as u32),
            trusts: first..first + acute + 1,
        });
    }

    fn add_parts(
        &mut self,
        board_at: usize,
        board: &Board,
        areas: Range<u32>,
        names: &mut impl Iterator<Item = String>,
        draw: &mut Draw,
    ) {
        let length = areas.end - areas.start;
        let trusts = self.boards[board_at].trusts.clone();
        let acute = trusts.end - trusts.start - 1;
        for i in 0..board.parts {
            let part_at = self.parts.len();
            let own = areas.start + scale(i, board.parts, length)
                ..areas.start + scale(i + 1, board.parts, length);
            let practices = scale(own.start, AREAS, PRACTICES)..scale(own.end, AREAS, PRACTICES);
            let letter = REGIONS[board.region].letter;
            for practice in practices.clone() {
                let town = names.next().unwrap_or_default();
                self.practices.push(Practice {
                    code: format!("{letter}{}", 10_001 + practice),
                    name: format!("{town} Example Surgery"),
                    part: part_at,
                });
            }
            let name = if board.parts == 1 {
                board.name.to_owned()
            } else {
                format!("{} {}", board.name, i + 1)
            };
            self.add_areas(part_at, board, own.clone(), draw);
            for area in own.clone() {
                let home = trusts.start + (area - areas.start) * acute / length;
                self.areas[area as usize].trust = home;
            }
            self.parts.push(Part {
                code: part_code(part_at as u32),
                name,
                board: board_at,
                areas: own,
                practices,
            });
        }
    }

    /// Small areas of one part. Neighbours are alike: deprivation and countryside come in clusters.
    fn add_areas(&mut self, part: usize, board: &Board, areas: Range<u32>, draw: &mut Draw) {
        let (mut cluster, mut rural) = (0, false);
        for (i, area) in areas.clone().enumerate() {
            if i.is_multiple_of(12) {
                cluster = draw.between(-260, 260);
                rural = draw.below(1000) < board.rural;
            }
            // Until [`World::rank`] the rank holds the score, higher being poorer.
            let own = draw.between(-140, 140) + draw.between(-140, 140);
            let score = board.deprivation as i32 + cluster + own - if rural { 90 } else { 0 };
            // Middle areas and districts never straddle two parts.
            let start = areas.start;
            let middle = start / AREAS_PER_MIDDLE + part as u32 + i as u32 / AREAS_PER_MIDDLE;
            let district = start / AREAS_PER_DISTRICT + part as u32 + i as u32 / AREAS_PER_DISTRICT;
            self.areas.push(Area {
                code: format!("E01{:06}", 900_001 + area),
                middle: format!("E02{:06}", 900_001 + middle),
                district: format!("E07{:06}", 900_001 + district),
                part,
                rank: (score + 10_000) as u32,
                decile: 0,
                rural,
                trust: 0,
            });
        }
    }

    fn rank(&mut self) {
        let mut order: Vec<usize> = (0..self.areas.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(self.areas[i].rank), i));
        for (at, i) in order.into_iter().enumerate() {
            let at = at as u32;
            self.areas[i].rank = at + 1;
            self.areas[i].decile = at * 10 / AREAS + 1;
        }
    }
}

fn scale(part: u32, whole: u32, of: u32) -> u32 {
    (u64::from(part) * u64::from(of) / u64::from(whole)) as u32
}

/// Letters and digits of organisation codes, without those that are taken for digits.
const ALPHABET: &[u8; 34] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";

fn letter(at: u32) -> char {
    char::from(ALPHABET[at as usize % ALPHABET.len()])
}

/// R and a digit: no real trust has ever had such a code.
fn trust_code(at: u32) -> String {
    format!("R{}{}", 2 + at / 34, letter(at))
}

fn board_code(at: u32) -> String {
    format!("Q{}{}", letter(1 + at / 10), letter(10 + at % 10))
}

fn part_code(at: u32) -> String {
    format!("{:02}{}", 60 + at / 10, letter(10 + at % 10))
}

fn invented_name(at: usize) -> String {
    // 800 names before one repeats; 7 and 40 are coprime, so neighbours do not sound alike.
    let first = FIRST[at * 7 % FIRST.len()];
    let second = SECOND[(at / FIRST.len() + at * 3) % SECOND.len()];
    match at / 800 {
        0 => format!("{first}{second}"),
        again => format!("{first}{second} {}", ["North", "South", "East", "West"][again % 4]),
    }
}
