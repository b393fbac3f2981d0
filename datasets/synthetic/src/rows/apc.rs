//! Rows of `hes.apc`: one for each consultant episode that ended within the data.

use super::{Care, CodeList, Common, month_of_birth, record_key, row_number, slots};
use crate::calendar::{END, NO_DATE, coded_age, year_of};
use crate::draw::{Draw, Purpose};
use crate::error::SyntheticError;
use crate::pathways::Kind as Stay;
use crate::person::Person;
use crate::sheet::{Kind, Sheet, Slot};
use crate::spells::{Episode, Spell};

slots!(Slots {
    Text: epikey, admimeth, admincatst, admisorc, classpat, disdest, dismeth, epistat, epitype, spelbgin,
        spelend, mydob;
    Date: admidate, disdate, elecdate, epistart, epiend;
    Int: susrecid, elecdur, elecdur_calc, epidur, epiorder, fae, fae_emergency, fce, fde, neodur, rank_order,
        speldur, speldur_calc, startage, waitlist;
    Float: startage_calc;
});

pub(crate) struct Apc {
    common: Common,
    slots: Slots,
    diagnoses: CodeList,
    procedures: CodeList,
    scratch: String,
}

/// One episode within its spell.
struct Position<'a> {
    spell: &'a Spell,
    episode: &'a Episode,
    order: usize,
    last: bool,
}

impl Apc {
    pub(crate) fn new(sheet: &mut Sheet) -> Result<Self, SyntheticError> {
        Ok(Self {
            common: Common::new(sheet)?,
            slots: Slots::find(sheet)?,
            diagnoses: CodeList::new(sheet, "diag", 20)?,
            procedures: CodeList::new(sheet, "opertn", 24)?,
            scratch: String::with_capacity(32),
        })
    }

    /// All rows of one person.
    pub(crate) fn write(
        &mut self,
        sheet: &mut Sheet,
        seed: u64,
        person: &Person,
        spells: &[Spell],
    ) {
        let mut draw = Draw::new(seed, person.index, Purpose::AdmittedRows);
        let mut row = 0;
        for spell in spells {
            for (i, episode) in spell.episodes.iter().enumerate() {
                if episode.end <= END {
                    let last = i + 1 == spell.episodes.len();
                    let position = Position { spell, episode, order: i + 1, last };
                    self.row(sheet, person, &position, row_number(person, row), &mut draw);
                    row += 1;
                }
            }
        }
    }

    fn row(
        &mut self,
        sheet: &mut Sheet,
        person: &Person,
        at: &Position<'_>,
        number: u64,
        draw: &mut Draw,
    ) {
        let Position { spell, episode, .. } = *at;
        let year = year_of(episode.end);
        let care = Care {
            year,
            trust: spell.trust,
            site: spell.site,
            specialty: episode.specialty,
            group: spell.group,
            payer: spell.payer,
        };
        self.common.write(sheet, person, &care, draw);
        let s = &self.slots;
        record_key(number, year, &mut self.scratch);
        sheet.text(s.epikey, &self.scratch);
        sheet.int(s.susrecid, susrecid(number));
        sheet.int(s.rank_order, 1);
        sheet.text(s.admincatst, spell.payer);

        let (years, decimal) = coded_age(person.birth, episode.start);
        sheet.int(s.startage, i64::from(years));
        sheet.float(s.startage_calc, decimal);
        if !draw.million(2_000) {
            month_of_birth(person, &mut self.scratch);
            sheet.text(s.mydob, &self.scratch);
        }
        let days_old = episode.start - person.birth;
        if (0..28).contains(&days_old) {
            sheet.int(s.neodur, i64::from(days_old));
        }
        self.admission(sheet, spell, draw);
        self.episode(sheet, at, year);
        self.discharge(sheet, at, draw);
        self.codes(sheet, at);
        sheet.next_row();
    }

    fn admission(&self, sheet: &mut Sheet, spell: &Spell, draw: &mut Draw) {
        let s = &self.slots;
        sheet.date(s.admidate, spell.admission);
        // Not known, and a code that is on no list.
        let method = match draw.below(100_000) {
            0..30 => "99",
            30..33 => "2Z",
            _ => spell.method,
        };
        sheet.text(s.admimeth, method);
        sheet.text(s.admisorc, spell.source);
        sheet.text(s.classpat, spell.class);
        let Some(decided) = spell.decided else {
            sheet.int(s.elecdur, 9998);
            sheet.int(s.waitlist, 0);
            return;
        };
        sheet.int(s.waitlist, i64::from(spell.method == "11"));
        if draw.million(6_000) {
            sheet.date(s.elecdate, NO_DATE);
            sheet.int(s.elecdur, 9999);
        } else {
            let waited = i64::from(spell.admission - decided);
            sheet.date(s.elecdate, decided);
            sheet.int(s.elecdur, waited);
            sheet.int(s.elecdur_calc, waited);
        }
    }

    fn episode(&self, sheet: &mut Sheet, at: &Position<'_>, year: usize) {
        let Position { spell, episode, order, last } = *at;
        let s = &self.slots;
        let kind = spell.reason().kind;
        sheet.date(s.epistart, episode.start);
        sheet.date(s.epiend, episode.end);
        sheet.int(s.epidur, i64::from(episode.end - episode.start));
        sheet.int(s.epiorder, order as i64);
        sheet.text(s.epistat, "3");
        let first = order == 1;
        let epitype = match kind {
            Stay::Delivery if first => "2",
            Stay::Birth if first => "3",
            _ => "1",
        };
        sheet.text(s.epitype, epitype);
        let begins = match (first, year_of(spell.admission) == year) {
            (false, _) => "0",
            (true, false) => "1",
            (true, true) => "2",
        };
        sheet.text(s.spelbgin, begins);
        sheet.text(s.spelend, if last { "Y" } else { "N" });
        // Regular attenders are episodes, but not admissions.
        let admission = first && kind != Stay::RegularDay;
        sheet.int(s.fce, 1);
        sheet.int(s.fae, i64::from(admission));
        sheet.int(s.fae_emergency, i64::from(admission && is_emergency(spell.method)));
        sheet.int(s.fde, i64::from(last && kind != Stay::RegularDay));
    }

    fn discharge(&self, sheet: &mut Sheet, at: &Position<'_>, draw: &mut Draw) {
        let Position { spell, last, .. } = *at;
        let s = &self.slots;
        if !last {
            sheet.text(s.disdest, "98");
            sheet.text(s.dismeth, "8");
            return;
        }
        let days = i64::from(spell.discharge - spell.admission);
        sheet.int(s.speldur_calc, days);
        sheet.text(s.disdest, spell.destination);
        sheet.text(s.dismeth, spell.ending);
        // Never for a death: the date of death is taken from it.
        if !spell.died && draw.million(400) {
            sheet.date(s.disdate, NO_DATE);
        } else {
            sheet.date(s.disdate, spell.discharge);
            sheet.int(s.speldur, days);
        }
    }

    fn codes(&mut self, sheet: &mut Sheet, at: &Position<'_>) {
        let Position { spell, order, last, .. } = *at;
        // The first episode of several has not yet found everything.
        let known = if order == 1 && !last {
            spell.diagnoses.len().div_ceil(2)
        } else {
            spell.diagnoses.len()
        };
        self.diagnoses.write(sheet, &spell.diagnoses[..known]);
        if last && !spell.procedures.is_empty() {
            self.procedures.write(sheet, spell.procedures);
        } else {
            self.procedures.write_none(sheet, "-");
        }
    }
}

/// The record key of the first episode of each stay, as number and year, where it has a row.
pub(super) fn first_episodes<'a>(
    person: &'a Person,
    spells: &'a [Spell],
) -> impl Iterator<Item = Option<(u64, usize)>> + 'a {
    let mut row = 0;
    spells.iter().map(move |spell| {
        let number = row_number(person, row);
        row += spell.episodes.iter().filter(|e| e.end <= END).count() as u64;
        let first = spell.episodes.first().filter(|e| e.end <= END);
        first.map(|episode| (number, year_of(episode.end)))
    })
}

fn is_emergency(method: &str) -> bool {
    matches!(method, "21" | "22" | "23" | "24" | "25" | "2A" | "2B" | "2C" | "2D" | "28")
}

/// Fourteen digits, unique.
fn susrecid(number: u64) -> i64 {
    let permuted = u128::from(number) * 61_803_398_874_989 % 80_000_000_000_000;
    10_000_000_000_000 + permuted as i64
}
