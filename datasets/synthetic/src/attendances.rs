//! The A&E attendances of one person: those that led to a stay, those that did not, and what follows from them.

mod clock;
mod problems;

use crate::calendar::{Day, END, YEARS, age, month_of, year_of, year_start};
use crate::conditions::gradient;
use crate::draw::{Draw, Purpose};
use crate::pathways::{Season, band};
use crate::person::Person;
use crate::spells::{Spell, elsewhere, usual_trust};
use crate::world::WORLD;

pub(crate) use clock::{Clock, MINUTES_OF_DAY};
#[cfg(test)]
pub(crate) use problems::PROBLEMS;
pub(crate) use problems::Problem;
use problems::{Kind, UNCLASSIFIED, chosen, of_admission};

/// One attendance.
#[derive(Clone, Debug)]
pub(crate) struct Attendance {
    pub(crate) day: Day,
    pub(crate) clock: Clock,
    pub(crate) department: &'static str,
    pub(crate) category: &'static str,
    pub(crate) ambulance: bool,
    pub(crate) source: &'static str,
    pub(crate) place: &'static str,
    pub(crate) group: &'static str,
    pub(crate) disposal: &'static str,
    pub(crate) trust: u32,
    pub(crate) site: u32,
    pub(crate) problem: &'static Problem,
    /// The part of the body, where a stay says which.
    pub(crate) body: Option<&'static str>,
    /// The position of the stay that followed at the same provider.
    pub(crate) stay: Option<usize>,
}

/// Attendances of each financial year in hundredths.
const ATTENDANCES_OF_YEARS: [u32; YEARS] = [94, 96, 98, 101, 103, 106, 108, 74, 103, 107];

/// Attendances without a stay in a year per 1,000 people of the band, before scaling.
#[rustfmt::skip]
const RATES: [u32; crate::pathways::BANDS] = [640, 480, 290, 390, 340, 265, 230, 205, 195, 230, 300];

/// Brings all attendances to about 25 a year for 100 people, in hundredths.
const SCALE: u64 = 72;

/// The rate of the most deprived tenth in hundredths of the least deprived.
const POOREST: u32 = 200;

/// Attendances of one year without a stay, at most.
const MOST: u32 = 40;

/// All attendances of one person within the data, in order of time.
pub(crate) fn attendances(seed: u64, person: &Person, spells: &[Spell]) -> Vec<Attendance> {
    let mut draw = Draw::new(seed, person.index, Purpose::Attendances);
    let mut list = Vec::new();
    for year in 0..YEARS {
        let start = year_start(year);
        if person.birth < start + 365 && person.last_day() >= start {
            without_stay(&mut list, person, year, &mut draw);
        }
    }
    list.retain(|a: &Attendance| {
        a.day >= person.first_day() && a.day <= person.last_day() && !in_bed(a.day, spells)
    });
    for (at, spell) in spells.iter().enumerate() {
        before_stay(&mut list, person, at, spell, &mut draw);
    }
    death_in_department(&mut list, person, spells, &mut draw);
    list.sort_by_key(|a| (a.day, a.clock.arrival));
    list
}

fn without_stay(list: &mut Vec<Attendance>, person: &Person, year: usize, draw: &mut Draw) {
    let middle = year_start(year) + 183;
    let band = band(age(person.birth, middle));
    let deprivation = gradient(POOREST, person.decile) * 200 / (100 + POOREST);
    let burden = 85 + 9 * person.conditions.count(middle);
    let mut chance = u64::from(RATES[band]) * 1_000;
    for percent in [deprivation, person.readiness, burden, ATTENDANCES_OF_YEARS[year]] {
        chance = chance * u64::from(percent) / 100;
    }
    let mean = chance * SCALE / 100;
    // Each attendance makes a further one as likely again: some people come again and again.
    let again = (mean * 1_000_000 / (1_000_000 + mean)) as u32;
    let mut count = 0;
    while count < MOST && draw.million(again) {
        count += 1;
        let problem = chosen(person, band, middle, draw);
        let day = day_of_year(problem.season, year, draw);
        let department = problem.department(year, draw);
        let first = Attendance::without_stay(person, problem, day, department, draw);
        follow(list, person, &first, draw);
        list.push(first);
    }
}

/// Some are asked to come again, some come again unasked.
fn follow(list: &mut Vec<Attendance>, person: &Person, first: &Attendance, draw: &mut Draw) {
    let (category, later) = match (first.disposal, draw.below(100)) {
        ("04", 0..85) => ("2", draw.between(2, 12)),
        ("04", _) | (_, 0..5) => ("3", 1 + draw.between(0, 6).min(draw.between(0, 6))),
        _ => return,
    };
    let day = first.day + later;
    if day <= END {
        let mut again =
            Attendance::without_stay(person, first.problem, day, first.department, draw);
        again.category = category;
        (again.trust, again.site) = (first.trust, first.site);
        (again.group, again.place) = (first.group, first.place);
        list.push(again);
    }
}

/// The attendance that a stay began with, here or at another provider.
fn before_stay(
    list: &mut Vec<Attendance>,
    person: &Person,
    at: usize,
    spell: &Spell,
    draw: &mut Draw,
) {
    let here = match spell.method {
        "21" => true,
        "2A" => false,
        _ => return,
    };
    let code = spell.diagnoses.first().copied().unwrap_or("R69X");
    let (problem, body) = of_admission(code);
    let years = age(person.birth, spell.admission);
    let ambulance = draw.percent(38 + by_age(years));
    let department =
        if here { draw.weighted(&[("01", 970), ("02", 8), ("03", 20), ("99", 2)]) } else { "01" };
    let trust = if here { spell.trust } else { elsewhere(person, spell.trust, draw) };
    list.push(Attendance {
        day: spell.admission,
        clock: Clock::before_stay(year_of(spell.admission), ambulance, draw),
        department,
        category: if draw.percent(97) { "1" } else { "3" },
        ambulance,
        source: source(ambulance, if here { 18 } else { 6 }, draw),
        place: place(problem.kind, years, draw),
        group: problem.group(years, draw),
        disposal: if here { "01" } else { "07" },
        trust,
        site: if here { spell.site } else { 1 },
        problem,
        body,
        stay: here.then_some(at),
    });
}

/// Some of those who do not die in a bed die in the department, or are dead when they come.
fn death_in_department(
    list: &mut Vec<Attendance>,
    person: &Person,
    spells: &[Spell],
    draw: &mut Draw,
) {
    let Some(death) = person.death.filter(|&d| d <= END) else { return };
    if spells.last().is_some_and(|s| s.died) || in_bed(death, spells) || !draw.percent(7) {
        return;
    }
    let years = age(person.birth, death);
    let mut last = Attendance::without_stay(person, &UNCLASSIFIED, death, "01", draw);
    (last.ambulance, last.source, last.disposal) = (true, "03", "10");
    last.clock.seen = last.clock.seen.or(Some(last.clock.assessed));
    last.group = if draw.percent(35) { "70" } else { "80" };
    last.place = place(Kind::Illness, years, draw);
    list.retain(|a| a.day < death);
    list.push(last);
}

impl Attendance {
    fn without_stay(
        person: &Person,
        problem: &'static Problem,
        day: Day,
        department: &'static str,
        draw: &mut Draw,
    ) -> Self {
        let (years, year) = (age(person.birth, day), year_of(day));
        let major = department == "01";
        let ambulance = major && draw.percent((problem.ambulance + by_age(years) / 2).min(90));
        let trust = usual_trust(person, 90, draw);
        let sites = WORLD.trusts[trust as usize].sites;
        let disposal = problem.disposal(major, year, draw);
        Self {
            day,
            clock: Clock::without_stay(year, major, ambulance, disposal, draw),
            department,
            category: "1",
            ambulance,
            source: source(ambulance, 8, draw),
            place: place(problem.kind, years, draw),
            group: problem.group(years, draw),
            disposal,
            trust,
            site: if major { 1 } else { 1 + draw.below(sites) },
            problem,
            body: None,
            stay: None,
        }
    }
}

/// How much oftener old people are brought by ambulance, in hundredths.
fn by_age(years: i32) -> u32 {
    match years {
        ..=15 => 0,
        16..=64 => 8,
        65..=74 => 18,
        75..=84 => 32,
        _ => 45,
    }
}

fn source(ambulance: bool, by_doctor: u32, draw: &mut Draw) -> &'static str {
    match (ambulance, draw.percent(by_doctor)) {
        (true, _) => draw.weighted(&[("03", 72), ("01", 16), ("00", 5), ("06", 2), ("08", 5)]),
        (false, true) => "00",
        (false, false) => draw.weighted(&[
            ("01", 800),
            ("08", 95),
            ("07", 38),
            ("03", 22),
            ("06", 12),
            ("05", 9),
            ("04", 7),
            ("02", 2),
            ("92", 1),
            ("99", 14),
        ]),
    }
}

/// The kind of place where it happened.
fn place(kind: Kind, years: i32, draw: &mut Draw) -> &'static str {
    let (work, school) = match years {
        5..=17 => (0, 14),
        18..=64 => (10, 1),
        _ => (0, 0),
    };
    let weights = match kind {
        Kind::Illness | Kind::Mind => [66, work / 4, school / 4, 8, 18, 8],
        Kind::Injury | Kind::Fracture | Kind::Poison => [42, work, school, 24, 18, 5],
    };
    ["10", "40", "50", "60", "91", "99"][draw.position(&weights)]
}

/// A day of the year, by the months; Mondays are the fullest.
fn day_of_year(season: Season, year: usize, draw: &mut Draw) -> Day {
    let (first, last) = month_of(year, draw.position(months(season, year)));
    let day = draw.between(first, last);
    let weekday = (day + 3).rem_euclid(7);
    if draw.percent(4) { (day - weekday).max(first) } else { day }
}

/// Weights of the months from April to March.
fn months(season: Season, year: usize) -> &'static [u32; 12] {
    match (season, year) {
        (Season::Winter, 7) => &[60, 55, 60, 66, 70, 100, 100, 92, 80, 66, 62, 80],
        (Season::Winter, _) => &[88, 82, 74, 68, 62, 80, 98, 118, 146, 122, 102, 104],
        // The first lockdown emptied departments, the third nearly so.
        (_, 7) => &[56, 74, 90, 100, 104, 104, 96, 86, 82, 74, 74, 96],
        (_, 6) => &[101, 104, 103, 107, 100, 101, 103, 100, 99, 98, 94, 66],
        _ => &[98, 104, 102, 105, 96, 100, 103, 99, 97, 96, 91, 105],
    }
}

/// Nobody comes to A&E out of a hospital bed.
fn in_bed(day: Day, spells: &[Spell]) -> bool {
    let at = spells.partition_point(|s| s.discharge < day);
    spells[at..]
        .iter()
        .take_while(|s| s.admission <= day)
        .any(|s| s.admission < s.discharge || s.died || matches!(s.method, "21" | "2A"))
}
