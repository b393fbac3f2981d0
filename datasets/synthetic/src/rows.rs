//! Rows of the published tables from people, stays, appointments and attendances. What all tables hold about a
//! patient and a provider stands here; records disagree about a person now and then, as real ones do.

pub(crate) mod ae;
pub(crate) mod apc;
pub(crate) mod op;

use std::fmt::Write;

use crate::calendar::{LABELS, civil};
use crate::draw::Draw;
use crate::error::SyntheticError;
use crate::person::Person;
use crate::sheet::{Kind, Sheet, Slot};
use crate::world::{BOARDS, ETHNICITIES, REGIONS, WORLD};

/// A struct of columns by name, each found in the sheet and made ready for one kind of value.
macro_rules! slots {
    ($name:ident { $($kind:ident: $($field:ident),+;)+ }) => {
        struct $name { $($($field: Slot,)+)+ }

        impl $name {
            fn find(sheet: &mut Sheet) -> Result<Self, SyntheticError> {
                Ok(Self { $($($field: sheet.slot(stringify!($field), Kind::$kind)?,)+)+ })
            }
        }
    };
}
pub(crate) use slots;

slots!(CommonSlots {
    Text: fyear, pseudo_hesid, sex, ethnos, gpprac, admincat, lsoa11, msoa11, resladst_ons, resgor, resgor_ons,
        ccg_residence, ccg_gp_practice, ccg_responsibility, ccg_responsibility_origin, ccg_treatment,
        ccg_treatment_origin, cr_residence, cr_gp_practice, cr_treatment, ner_residence, ner_gp_practice,
        ner_treatment, gortreat, procode3, procode5, procodet, purcode, sitetret, mainspef, tretspef, sushrg;
    Int: partyear;
});

/// Where and by whom a patient was seen.
pub(crate) struct Care {
    pub(crate) year: usize,
    pub(crate) trust: u32,
    pub(crate) site: u32,
    pub(crate) specialty: (&'static str, &'static str),
    pub(crate) group: &'static str,
    pub(crate) payer: &'static str,
}

/// Columns that all tables have, or most.
struct Common {
    slots: CommonSlots,
    scratch: String,
}

impl Common {
    fn new(sheet: &mut Sheet) -> Result<Self, SyntheticError> {
        Ok(Self { slots: CommonSlots::find(sheet)?, scratch: String::with_capacity(32) })
    }

    fn write(&mut self, sheet: &mut Sheet, person: &Person, care: &Care, draw: &mut Draw) {
        let (label, partyear) = LABELS[care.year];
        sheet.text(self.slots.fyear, label);
        sheet.int(self.slots.partyear, i64::from(partyear));
        self.patient(sheet, person, draw);
        self.residence(sheet, person, draw);
        self.provider(sheet, care, draw);
        let s = &self.slots;
        sheet.text(s.admincat, care.payer);
        sheet.text(s.mainspef, care.specialty.0);
        sheet.text(s.tretspef, care.specialty.1);
        sheet.text(s.sushrg, care.group);
    }

    fn patient(&self, sheet: &mut Sheet, person: &Person, draw: &mut Draw) {
        let s = &self.slots;
        // One record in a thousand could not be given to anybody.
        if !draw.million(1_000)
            && let Ok(pseudonym) = std::str::from_utf8(&person.pseudonym)
        {
            sheet.text(s.pseudo_hesid, pseudonym);
        }
        match (draw.below(100_000), person.male) {
            (0..60, _) => sheet.text(s.sex, "9"),
            (60..90, _) => sheet.text(s.sex, "0"),
            (90..110, _) => {}
            // A slip of the keyboard.
            (110..130, true) | (130.., false) => sheet.text(s.sex, "2"),
            (110..130, false) | (130.., true) => sheet.text(s.sex, "1"),
        }
        sheet.text(s.ethnos, ethnos(person, draw));
    }

    fn residence(&self, sheet: &mut Sheet, person: &Person, draw: &mut Draw) {
        let s = &self.slots;
        let area = &WORLD.areas[person.area as usize];
        let part = &WORLD.parts[area.part];
        let board = &WORLD.boards[part.board];
        let region = WORLD.region_of(person.area);
        let known = !draw.million(3_000);
        if known {
            sheet.text(s.lsoa11, &area.code);
            sheet.text(s.msoa11, &area.middle);
            sheet.text(s.resladst_ons, &area.district);
            sheet.text(s.resgor_ons, region.ons);
            sheet.text(s.ccg_residence, &part.code);
            sheet.text(s.cr_residence, region.nhs);
            sheet.text(s.ner_residence, &board.code);
        }
        sheet.text(s.resgor, if known { region.letter } else { "Y" });
        let practice = &WORLD.practices[person.practice as usize];
        let registered = match draw.below(1_000) {
            0..4 => Err("V81999"),
            4..6 => Err("V81997"),
            6 => Err("&"),
            _ => Ok(practice.code.as_str()),
        };
        sheet.text(s.gpprac, registered.unwrap_or_else(|unknown| unknown));
        if registered.is_ok() {
            sheet.text(s.ccg_gp_practice, &WORLD.parts[practice.part].code);
            sheet.text(s.cr_gp_practice, region.nhs);
            sheet.text(s.ner_gp_practice, &board.code);
        }
        if registered.is_ok() || known {
            sheet.text(s.ccg_responsibility, &part.code);
        }
        let origin = match (registered.is_ok(), known) {
            (true, _) => "1",
            (false, true) => "2",
            (false, false) => "9",
        };
        sheet.text(s.ccg_responsibility_origin, origin);
    }

    fn provider(&mut self, sheet: &mut Sheet, care: &Care, draw: &mut Draw) {
        let s = &self.slots;
        let trust = &WORLD.trusts[care.trust as usize];
        let board = &WORLD.boards[trust.board];
        let region = &REGIONS[BOARDS[trust.board].region];
        // A code that is on no list: it happens, and must not break anything.
        let code = if draw.million(20) { "X99" } else { trust.code.as_str() };
        sheet.text(s.procode3, code);
        sheet.text(s.procodet, code);
        for (slot, site) in [(s.procode5, 0), (s.sitetret, care.site)] {
            self.scratch.clear();
            // Writing to a String cannot fail.
            let _ = write!(self.scratch, "{code}{site:02}");
            sheet.text(slot, &self.scratch);
        }
        sheet.text(s.gortreat, region.letter);
        sheet.text(s.cr_treatment, region.nhs);
        sheet.text(s.ner_treatment, &board.code);
        let part = &WORLD.parts[WORLD.seat_of(care.trust)].code;
        sheet.text(s.ccg_treatment, part);
        sheet.text(s.ccg_treatment_origin, "2");
        self.scratch.clear();
        let _ = write!(self.scratch, "{part}00");
        sheet.text(s.purcode, &self.scratch);
    }
}

/// The ethnic category of one record: some people never state it, some records do not have it, some say another.
fn ethnos(person: &Person, draw: &mut Draw) -> &'static str {
    match draw.below(1_000) {
        0..22 => "Z",
        22..34 => "99",
        34..36 => "X",
        36..66 => ETHNICITIES[(person.ethnicity + 1 + draw.below(3) as usize) % ETHNICITIES.len()],
        _ if !person.stated => "Z",
        _ => ETHNICITIES[person.ethnicity],
    }
}

/// A list of codes: each in its column, whole and shortened, and all of them joined.
struct CodeList {
    whole: Vec<Slot>,
    short: Vec<Slot>,
    whole_joined: Slot,
    short_joined: Slot,
    count: Slot,
    scratch: String,
}

impl CodeList {
    fn new(sheet: &mut Sheet, stem: &str, most: usize) -> Result<Self, SyntheticError> {
        Ok(Self {
            whole: sheet.list(&format!("{stem}_4"), most)?,
            short: sheet.list(&format!("{stem}_3"), most)?,
            whole_joined: sheet.slot(&format!("{stem}_4_concat"), Kind::Text)?,
            short_joined: sheet.slot(&format!("{stem}_3_concat"), Kind::Text)?,
            count: sheet.slot(&format!("{stem}_count"), Kind::Int)?,
            scratch: String::with_capacity(128),
        })
    }

    fn write(&mut self, sheet: &mut Sheet, codes: &[&str]) {
        for (i, code) in codes.iter().enumerate() {
            sheet.text(self.whole[i], code);
            sheet.text(self.short[i], shortened(code));
        }
        sheet.int(self.count, codes.len() as i64);
        for (slot, short) in [(self.whole_joined, false), (self.short_joined, true)] {
            self.scratch.clear();
            for (i, code) in codes.iter().enumerate() {
                if i > 0 {
                    self.scratch.push(',');
                }
                self.scratch.push_str(if short { shortened(code) } else { code });
            }
            sheet.text(slot, &self.scratch);
        }
    }

    /// `-` is no operation, `&` not known; neither is counted.
    fn write_none(&mut self, sheet: &mut Sheet, sign: &str) {
        sheet.text(self.whole[0], sign);
        sheet.text(self.short[0], sign);
        sheet.text(self.whole_joined, sign);
        sheet.text(self.short_joined, sign);
        sheet.int(self.count, 0);
    }
}

fn shortened(code: &str) -> &str {
    code.get(..3).unwrap_or(code)
}

/// Rows of one person in one table, at most; keys stay unique below 100 million people.
const ROWS_PER_PERSON: u64 = 4_000;

/// The number of a row among all that a table could ever have.
fn row_number(person: &Person, row: u64) -> u64 {
    person.index * ROWS_PER_PERSON + row % ROWS_PER_PERSON
}

/// A record key of 12 digits up to 2020-21 and 20 digits since, unique, that tells nothing by its order.
fn record_key(number: u64, year: usize, into: &mut String) {
    into.clear();
    // Multiplying by a number without common factors with the modulus permutes the numbers below it.
    let _ = if year < 8 {
        let modulus = 400_000_000_000_u128;
        write!(into, "{}", 500_000_000_000 + u128::from(number) * 161_803_398_873 % modulus)
    } else {
        let modulus = 40_000_000_000_000_000_000_u128;
        let permuted = u128::from(number) * 16_180_339_887_498_948_481 % modulus;
        write!(into, "{}", 50_000_000_000_000_000_000 + permuted)
    };
}

/// Month and year of birth, as `MYDOB` writes them.
fn month_of_birth(person: &Person, into: &mut String) {
    let (year, month, _) = civil(person.birth);
    into.clear();
    let _ = write!(into, "{month:02}{year}");
}
