//! Bytes and back, and what damage does.

use super::*;
use crate::index::bytes::{DamagedIndex, check};

fn some_index() -> Index {
    let mut index = Index::new(10);
    let figures = [None, Some(0), Some(-1), Some(127), Some(128), Some(-129), Some(i128::MIN)];
    for (number, size) in [0, 1, 3, 10, 40, 300].into_iter().enumerate() {
        let mut set = remembered(number, number as u8, &some_people(64, number, size), true);
        set.outcome.figure = figures[number % figures.len()];
        index.remember(set);
    }
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bytes_come_back_as_they_were(
        (k, sets) in sequence(),
        cut in 0usize..50,
        figures in vec(any::<Option<i128>>(), 50),
        shift in 0u32..128,
    ) {
        let cut = cut.min(sets.len());
        let (mut one, mut other) = (Index::new(k), Index::new(k));
        let mut mark = one.mark();
        for (number, (set, _)) in sets.iter().enumerate() {
            let mut set = set.clone();
            set.outcome.figure = figures[number].map(|figure| figure >> shift);
            if number < cut {
                other.remember(set.clone());
            }
            one.remember(set);
            if number + 1 == cut {
                mark = one.mark();
            }
        }
        other.append(&one.bytes_since(mark)).unwrap();
        prop_assert!(one.sets == other.sets);
        prop_assert_eq!(inside(&one), inside(&other));
    }
}

#[test]
fn nothing_new_is_few_bytes_and_comes_back_as_nothing() {
    let mut index = some_index();
    let bytes = index.bytes_since(index.mark());
    assert_eq!(bytes.len(), 13);
    index.append(&bytes).unwrap();
    assert_eq!(index.len(), some_index().len());
    // A mark that lies ahead has nothing behind it.
    assert_eq!(index.bytes_since(Mark(1_000)), bytes);
}

/// An empty suppressed set takes 11 bytes, one of ten people 42, a large one 139.
#[test]
fn small_sets_are_small() {
    let bytes = |size: usize, shown: bool| {
        let mut index = Index::new(10);
        let mark = index.mark();
        index.remember(remembered(50, 0, &some_people(64, 0, size), shown));
        index.bytes_since(mark).len() - 13
    };
    assert_eq!(bytes(0, false), 11);
    assert_eq!(bytes(10, true), 11 + 30 + 1);
    assert_eq!(bytes(2_000, true), 10 + 1 + 128);
}

#[test]
fn damage_is_an_error_and_changes_nothing() {
    let whole = some_index().bytes_since(Mark(0));
    let before = inside(&some_index());
    let mut index = some_index();
    let mut refuse = |bytes: &[u8]| {
        assert!(index.append(bytes).is_err());
        assert_eq!(inside(&index), before);
    };
    for length in 0..whole.len() {
        refuse(&whole[..length]);
    }
    for bit in 0..8 * whole.len() {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        refuse(&damaged);
    }
    refuse(&[whole.as_slice(), &[0]].concat());
}

/// Whoever can write a check can write sets; but nothing they write makes a panic.
#[test]
fn damage_with_a_check_that_fits_does_not_panic() {
    let whole = some_index().bytes_since(Mark(0));
    let body = &whole[..whole.len() - 8];
    let append = |body: &[u8]| -> Result<(), DamagedIndex> {
        let mut index = some_index();
        let done = index.append(&[body, &check(body)].concat());
        assert!(done.is_ok() || inside(&index) == inside(&some_index()));
        done
    };
    for length in 0..body.len() {
        assert!(append(&body[..length]).is_err());
    }
    assert!(append(&[body, &[0]].concat()).is_err());
    for at in 1..body.len() {
        for byte in [0, 1, 17, 127, 128, 145, 255] {
            let mut damaged = body.to_vec();
            damaged[at] = byte;
            let _either = append(&damaged);
        }
    }
}
