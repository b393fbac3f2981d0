use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Few buckets and few marks, so that sets share some and have some twice.
fn marks() -> impl Strategy<Value = Vec<[u16; 2]>> {
    vec((0_u16..4, 1_u16..6).prop_map(|(bucket, mark)| [bucket, mark]), 0..=FEW)
}

fn sketch_of(marks: &[[u16; 2]]) -> Sketch {
    let mut sketch = Sketch::default();
    marks.iter().for_each(|mark| sketch.put(*mark));
    sketch
}

/// How often each set has a mark, by bucket.
type Numbers = BTreeMap<u16, BTreeMap<u16, (usize, usize)>>;

proptest! {
    #[test]
    fn a_few_people_are_apart_by_the_larger_number_of_marks_that_the_other_lacks(one in marks(), other in marks()) {
        let mut numbers = Numbers::new();
        for [bucket, mark] in &one {
            numbers.entry(*bucket).or_default().entry(*mark).or_default().0 += 1;
        }
        for [bucket, mark] in &other {
            numbers.entry(*bucket).or_default().entry(*mark).or_default().1 += 1;
        }
        let shared = numbers.values().flat_map(BTreeMap::values).any(|(ours, theirs)| ours.min(theirs) > &0);
        let in_bucket = |marks: &BTreeMap<u16, (usize, usize)>| {
            let ours: usize = marks.values().map(|(ours, theirs)| ours.saturating_sub(*theirs)).sum();
            let theirs: usize = marks.values().map(|(ours, theirs)| theirs.saturating_sub(*ours)).sum();
            ours.max(theirs)
        };
        let strangers = !shared && one.len() + other.len() > 0;
        let apart = if strangers { BUCKETS } else { numbers.values().map(in_bucket).sum() };
        prop_assert_eq!(sketch_of(&one).differing(&sketch_of(&other)), apart);
    }
}
