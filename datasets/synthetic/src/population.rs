//! The population: people in blocks, each block made on its own, so that memory does not grow with the number
//! of people and blocks can be made on several threads.

use std::ops::Range;

use arrow_array::RecordBatch;
use cordon_catalogue::{Catalogue, TableName};

use crate::appointments::appointments;
use crate::attendances::attendances;
use crate::error::SyntheticError;
use crate::person::Person;
use crate::rows::{ae::Ae, apc::Apc, op::Op};
use crate::sheet::Sheet;
use crate::spells::spells;

/// People of one block.
const BLOCK: u64 = 4_096;

/// Made-up people: the same number and seed make the same people on every machine.
///
/// ```
/// use cordon_catalogue::Catalogue;
/// use cordon_synthetic::Population;
///
/// let catalogue = Catalogue::built_in()?;
/// let population = Population::new(100, 7);
/// let episodes = population.block(&catalogue, &"hes.apc".parse()?, 0)?;
/// assert!(episodes.num_rows() > 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Population {
    people: u64,
    seed: u64,
}

impl Population {
    /// So many people. Record keys stay unique up to 100 million.
    pub fn new(people: u64, seed: u64) -> Self {
        Self { people, seed }
    }

    /// How many blocks [`Population::block`] takes.
    pub fn blocks(&self) -> u64 {
        self.people.div_ceil(BLOCK)
    }

    /// Tables about people that synthetic rows are made for, in the order in which they are to be loaded: a store
    /// numbers people as it meets them.
    pub fn tables() -> &'static [&'static str] {
        &["hes.apc", "hes.op", "hes.ae"]
    }

    /// All rows of one table about the people of one block, in the table's described schema: people one after
    /// another, the rows of each in order of time. Empty for a block behind the last.
    pub fn block(
        &self,
        catalogue: &Catalogue,
        table: &TableName,
        block: u64,
    ) -> Result<RecordBatch, SyntheticError> {
        let description = catalogue
            .table(table)
            .ok_or_else(|| SyntheticError::Undescribed(table.as_str().to_owned()))?;
        let people = self.people_of(block);
        let size = (people.end - people.start) as usize;
        match table.as_str() {
            "hes.apc" => {
                let mut sheet = Sheet::new(description.schema(), size * 3);
                let mut rows = Apc::new(&mut sheet)?;
                for index in people {
                    let person = Person::new(self.seed, index);
                    rows.write(&mut sheet, self.seed, &person, &spells(self.seed, &person));
                }
                sheet.finish()
            }
            "hes.op" => {
                let mut sheet = Sheet::new(description.schema(), size * 8);
                let mut rows = Op::new(&mut sheet)?;
                for index in people {
                    let person = Person::new(self.seed, index);
                    let stays = spells(self.seed, &person);
                    let visits = appointments(self.seed, &person, &stays);
                    rows.write(&mut sheet, self.seed, &person, &visits);
                }
                sheet.finish()
            }
            "hes.ae" => {
                let mut sheet = Sheet::new(description.schema(), size * 3);
                let mut rows = Ae::new(&mut sheet)?;
                for index in people {
                    let person = Person::new(self.seed, index);
                    let stays = spells(self.seed, &person);
                    let visits = attendances(self.seed, &person, &stays);
                    rows.write(&mut sheet, self.seed, &person, &stays, &visits);
                }
                sheet.finish()
            }
            other => Err(SyntheticError::Unknown(other.to_owned())),
        }
    }

    fn people_of(&self, block: u64) -> Range<u64> {
        let start = block.saturating_mul(BLOCK).min(self.people);
        start..start.saturating_add(BLOCK).min(self.people)
    }
}
