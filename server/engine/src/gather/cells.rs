//! One cell of a table while rows come in.

use cordon_disclosure::{Gathered, Gathering, Part, RawCell};

/// Nobody: persons are numbered from 0 on.
const NOBODY: i64 = i64::MIN;

/// So many people are kept as they are; more only as sums.
const FEW: usize = 16;

/// A list that is not in order is merged when it has so many entries, and whenever it has doubled since.
const UNMERGED: usize = 1024;

/// Evidence of one figure of one group.
pub(super) struct Cell {
    /// Whose rows are coming in, and what they add up to.
    person: i64,
    contribution: i128,
    /// Those before: all of them, while they are few or come in no order.
    parts: Vec<Part>,
    /// Those before, once there are many.
    gathered: Option<Box<Gathered>>,
    merge_at: usize,
}

impl Default for Cell {
    fn default() -> Self {
        let (parts, gathered) = (Vec::new(), None);
        Self { person: NOBODY, contribution: 0, parts, gathered, merge_at: UNMERGED }
    }
}

impl Cell {
    /// A row's contribution; gives the bytes that the cell grew by.
    #[inline]
    pub(super) fn add(
        &mut self,
        by: &Gathering,
        ordered: bool,
        person: i64,
        contribution: i128,
    ) -> usize {
        if self.person == person {
            // A total that leaves 2^127 is refused at release anyway.
            self.contribution = self.contribution.saturating_add(contribution);
            return 0;
        }
        let grown = self.close(by, ordered);
        self.person = person;
        self.contribution = contribution;
        grown
    }

    /// The person whose rows came last has no more of them, where rows come in order.
    fn close(&mut self, by: &Gathering, ordered: bool) -> usize {
        if self.person == NOBODY {
            return 0;
        }
        let part = Part { person: self.person, contribution: self.contribution };
        self.person = NOBODY;
        if let Some(gathered) = &mut self.gathered {
            gathered.add(by, &by.key.person(part.person), part.contribution);
            return 0;
        }
        let before = self.parts.capacity();
        self.parts.push(part);
        if ordered && self.parts.len() > FEW {
            return self.gather(by);
        }
        if !ordered && self.parts.len() >= self.merge_at {
            self.sort_and_merge();
            self.merge_at = UNMERGED.max(self.parts.len() * 2);
        }
        (self.parts.capacity() - before) * size_of::<Part>()
    }

    /// From a list to sums.
    fn gather(&mut self, by: &Gathering) -> usize {
        let mut gathered = self.gathered.take().unwrap_or_default();
        for part in std::mem::take(&mut self.parts) {
            gathered.add(by, &by.key.person(part.person), part.contribution);
        }
        let size = size_of::<Gathered>() + gathered.size();
        self.gathered = Some(gathered);
        size
    }

    fn sort_and_merge(&mut self) {
        self.parts.sort_unstable_by_key(|part| part.person);
        self.parts.dedup_by(|later, kept| {
            let same = later.person == kept.person;
            if same {
                kept.contribution = kept.contribution.saturating_add(later.contribution);
            }
            same
        });
    }

    /// With the same cell of another partition. Where rows come in order, nobody is in both.
    pub(super) fn merge(&mut self, by: &Gathering, ordered: bool, mut other: Self) {
        self.close(by, ordered);
        other.close(by, ordered);
        if ordered
            && (self.gathered.is_some()
                || other.gathered.is_some()
                || self.parts.len() + other.parts.len() > FEW)
        {
            self.gather(by);
            other.gather(by);
            if let (Some(ours), Some(theirs)) = (&mut self.gathered, &other.gathered) {
                ours.merge(by, theirs);
            }
        } else {
            self.parts.append(&mut other.parts);
        }
    }

    pub(super) fn evidence(mut self, by: &Gathering, ordered: bool) -> RawCell {
        self.close(by, ordered);
        if !ordered {
            self.sort_and_merge();
        }
        match self.gathered {
            Some(gathered) => gathered.evidence(by),
            None => RawCell::of_parts(&self.parts, by),
        }
    }
}
