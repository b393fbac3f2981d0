//! The outpatient appointments of one person: referrals with a first visit and follow-ups, clinics for long-term
//! conditions, visits before and after stays, antenatal care.

mod clinics;
mod series;

use crate::calendar::{Day, END, PANDEMIC, START, YEARS, age, year_start};
use crate::conditions::gradient;
use crate::draw::{Draw, Purpose};
use crate::pathways::{Kind, band};
use crate::person::Person;
use crate::spells::Spell;

pub(crate) use clinics::is_psychiatric;
use clinics::{ANTENATAL_CLINIC, CLINICS, LONG_TERM, MIDWIFE_CLINIC};

/// One appointment.
#[derive(Clone, Debug)]
pub(crate) struct Appointment {
    pub(crate) day: Day,
    /// When the referral arrived; only first appointments know.
    pub(crate) requested: Option<Day>,
    /// The last appointment of the series that was missed.
    pub(crate) missed: Option<Day>,
    pub(crate) specialty: (&'static str, &'static str),
    pub(crate) first: bool,
    pub(crate) remote: bool,
    pub(crate) attended: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) priority: &'static str,
    pub(crate) source: &'static str,
    pub(crate) trust: u32,
    pub(crate) site: u32,
    pub(crate) diagnosis: &'static str,
    pub(crate) procedure: Option<&'static str>,
}

/// Referrals of each financial year in hundredths.
const YEARS_OF_REFERRALS: [u32; YEARS] = [92, 95, 98, 100, 102, 105, 105, 74, 98, 104];

/// Brings the sum of all clinics to about 70 appointments a year for 100 people, in hundredths.
const REFERRAL_SCALE: u32 = 120;

/// All appointments of one person within the data, in order of time.
pub(crate) fn appointments(seed: u64, person: &Person, spells: &[Spell]) -> Vec<Appointment> {
    let mut draw = Draw::new(seed, person.index, Purpose::Appointments);
    let mut list = Vec::new();
    // Those referred in the year before the data are seen within them.
    referrals(&mut list, person, START - 365, START - 183, YEARS_OF_REFERRALS[0], &mut draw);
    for (year, of_year) in YEARS_OF_REFERRALS.into_iter().enumerate() {
        let (start, middle) = (year_start(year), year_start(year) + 183);
        if person.birth < start + 365 && person.last_day() >= start {
            referrals(&mut list, person, start, middle, of_year, &mut draw);
            long_term(&mut list, person, start, middle, of_year, &mut draw);
        }
    }
    for spell in spells {
        around_stay(&mut list, person, spell, &mut draw);
    }
    for appointment in &mut list {
        appointment.day = outside_stays(appointment.day, spells);
    }
    list.retain(|a: &Appointment| {
        a.day >= person.first_day() && a.day <= person.last_day() && a.day <= END
    });
    list.sort_by_key(|a| a.day);
    list
}

fn referrals(
    list: &mut Vec<Appointment>,
    person: &Person,
    start: Day,
    middle: Day,
    of_year: u32,
    draw: &mut Draw,
) {
    let band = band(age(person.birth, middle));
    for clinic in &CLINICS {
        let sex = if person.male { 200 - clinic.women } else { clinic.women };
        let deprivation = gradient(clinic.poorest, person.decile) * 200 / (100 + clinic.poorest);
        let readiness = (100 + person.readiness) / 2;
        let mut chance = u64::from(clinic.rates[band]) * 10_000;
        for percent in [sex, deprivation, readiness, of_year, REFERRAL_SCALE] {
            chance = chance * u64::from(percent) / 100;
        }
        if u64::from(draw.below(1_000_000_000)) < chance {
            let referral = start + draw.between(0, 364);
            series::referred(list, person, clinic, referral, draw);
        }
    }
}

fn long_term(
    list: &mut Vec<Appointment>,
    person: &Person,
    start: Day,
    middle: Day,
    of_year: u32,
    draw: &mut Draw,
) {
    for care in &LONG_TERM {
        let Some(onset) = person.conditions.onset(care.condition).filter(|&o| o <= middle) else {
            continue;
        };
        if care.for_years.is_some_and(|years| middle > onset + years * 365) {
            continue;
        }
        let wanted = care.visits * of_year / 100;
        let visits = wanted / 100 + u32::from(draw.percent(wanted % 100));
        for _ in 0..visits {
            let day = start + draw.between(0, 364);
            series::visit(list, person, &care.clinic, day, draw);
        }
    }
}

/// What a stay brings before and after it.
fn around_stay(list: &mut Vec<Appointment>, person: &Person, spell: &Spell, draw: &mut Draw) {
    let reason = spell.reason();
    match reason.kind {
        Kind::Delivery => {
            for (clinic, least, most) in [(&MIDWIFE_CLINIC, 1, 4), (&ANTENATAL_CLINIC, 0, 3)] {
                for _ in 0..draw.between(least, most) {
                    let day = spell.admission - draw.between(8, 210);
                    if day >= START {
                        series::visit(list, person, clinic, day, draw);
                    }
                }
            }
        }
        Kind::Inpatient | Kind::DayCase => {
            // The decision to admit was made at an appointment.
            if let Some(decided) = spell.decided.filter(|&d| d >= START && d < spell.admission)
                && draw.percent(55)
            {
                series::decision(list, person, reason.specialty, spell.trust, decided, draw);
            }
        }
        _ => {}
    }
    if !spell.died && draw.percent(reason.follow_up) {
        series::after_stay(list, person, spell, draw);
    }
}

/// Nobody is in a clinic and in a bed of the ward on one day: the appointment moves behind the stay.
fn outside_stays(day: Day, spells: &[Spell]) -> Day {
    let at = spells.partition_point(|s| s.discharge <= day);
    match spells.get(at) {
        Some(spell) if spell.admission < day => spell.discharge + 7,
        _ => day,
    }
}

/// Whether clinics had moved to the telephone by then, in hundredths of appointments.
fn remote_share(day: Day) -> u32 {
    match day - PANDEMIC {
        ..=14 => 3,
        15..=390 => 42,
        391..=760 => 27,
        _ => 22,
    }
}
