//! The stays of one person, in order of time: events that the person's age, conditions and luck bring about are
//! put on a timetable, then happen one after another, so that no two stays overlap and nothing follows death.

mod plan;
mod stay;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::calendar::{Day, END};
use crate::draw::{Draw, Purpose};
use crate::pathways::{HEART_ATTACK, HIP_FRACTURE, Kind, PATHWAYS, Pathway, STROKE};
use crate::pathways::{PNEUMONIA, SEPSIS, URINARY};
use crate::person::Person;

pub(crate) use stay::{elsewhere, mental_health_trust, usual_trust};

/// One consultant episode.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    pub(crate) start: Day,
    pub(crate) end: Day,
    /// Main specialty and treatment function.
    pub(crate) specialty: (&'static str, &'static str),
}

/// One stay.
#[derive(Clone, Debug)]
pub(crate) struct Spell {
    pub(crate) pathway: usize,
    pub(crate) admission: Day,
    /// May lie after the end of the data: then the spell is not finished in them.
    pub(crate) discharge: Day,
    pub(crate) method: &'static str,
    pub(crate) source: &'static str,
    pub(crate) destination: &'static str,
    pub(crate) ending: &'static str,
    pub(crate) class: &'static str,
    pub(crate) payer: &'static str,
    /// When a planned stay was decided on.
    pub(crate) decided: Option<Day>,
    pub(crate) trust: u32,
    pub(crate) site: u32,
    pub(crate) episodes: Vec<Episode>,
    /// Primary first, no code twice, at most twenty.
    pub(crate) diagnoses: Vec<&'static str>,
    pub(crate) procedures: &'static [&'static str],
    pub(crate) group: &'static str,
    pub(crate) died: bool,
}

impl Spell {
    pub(crate) fn reason(&self) -> &'static Pathway {
        &PATHWAYS[self.pathway]
    }
}

/// Why an event stands in the timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Usual,
    Readmission,
    Transfer,
    /// One of a series: left out if the person is in hospital anyway.
    Course,
    /// Ends with the death of the person.
    Terminal,
}

/// What is to happen, earliest first; the running number keeps the order of equal days.
#[derive(Default)]
struct Timetable {
    events: BinaryHeap<Reverse<(Day, u32, usize, Cause)>>,
    planned: u32,
}

impl Timetable {
    fn add(&mut self, day: Day, pathway: usize, cause: Cause) {
        self.planned += 1;
        self.events.push(Reverse((day, self.planned, pathway, cause)));
    }

    fn next(&mut self) -> Option<(Day, usize, Cause)> {
        self.events.pop().map(|Reverse((day, _, pathway, cause))| (day, pathway, cause))
    }
}

/// All stays of one person within the data.
pub(crate) fn spells(seed: u64, person: &Person) -> Vec<Spell> {
    let mut draw = Draw::new(seed, person.index, Purpose::Spells);
    let mut timetable = Timetable::default();
    plan::fill(&mut timetable, person, &mut draw);

    let mut spells: Vec<Spell> = Vec::new();
    let mut free = person.first_day();
    while let Some((day, pathway, cause)) = timetable.next() {
        if day < free && cause == Cause::Course {
            continue;
        }
        let admission = match cause {
            Cause::Terminal => day.max(free),
            _ if day < free => free + draw.between(0, 9),
            _ => day,
        };
        if admission > person.last_day() || admission > END {
            continue;
        }
        let mut spell = stay::draw(person, admission, pathway, cause, spells.last(), &mut draw);
        if let Some(death) = person.death.filter(|&death| spell.discharge >= death) {
            if matches!(spell.reason().kind, Kind::DayCase | Kind::RegularDay | Kind::Delivery) {
                continue;
            }
            spell.end_in_death(death);
            spells.push(spell);
            break;
        }
        free = spell.discharge + 1;
        if is_transferred(&spell, cause, &mut draw) {
            spell.destination = "51";
            free = spell.discharge;
            timetable.add(spell.discharge, pathway, Cause::Transfer);
        } else if let Some((back, again)) = readmission(person, &spell, &mut draw) {
            timetable.add(back, again, Cause::Readmission);
        }
        spells.push(spell);
    }
    spells
}

fn is_transferred(spell: &Spell, cause: Cause, draw: &mut Draw) -> bool {
    matches!(spell.pathway, HEART_ATTACK | STROKE | HIP_FRACTURE)
        && cause != Cause::Transfer
        && draw.percent(7)
}

/// When the person comes back within a month, and why.
fn readmission(person: &Person, spell: &Spell, draw: &mut Draw) -> Option<(Day, usize)> {
    static COMMON: [(usize, u32); 3] = [(PNEUMONIA, 3), (SEPSIS, 2), (URINARY, 3)];
    let reason = spell.reason();
    let burden = 40 + 7 * person.conditions.count(spell.discharge);
    let chance = reason.readmission * burden / 100;
    if draw.below(1000) >= chance.min(400) {
        return None;
    }
    let back = spell.discharge + 1 + draw.between(0, 28).min(draw.between(0, 28));
    let same = reason.is_emergency() && draw.percent(60);
    Some((back, if same { spell.pathway } else { draw.weighted(&COMMON) }))
}

impl Spell {
    /// Cuts the stay at the day of death.
    fn end_in_death(&mut self, death: Day) {
        self.discharge = death;
        self.died = true;
        self.ending = "4";
        self.destination = "79";
        self.episodes.retain(|e| e.start <= death);
        if let Some(last) = self.episodes.last_mut() {
            last.end = death;
        }
    }
}
