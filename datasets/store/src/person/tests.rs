use super::*;

#[test]
fn hmac_agrees_with_rfc_4231() {
    let tag = Hmac::new(b"Jefe").tag(b"what do ya want for nothing?");
    assert_eq!(
        hex::encode(tag),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    let long =
        Hmac::new(&[0xaa; 131]).tag(b"Test Using Larger Than Block-Size Key - Hash Key First");
    assert_eq!(
        hex::encode(long),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn numbers_carry_bucket_and_mark() {
    let known = number(7, 12, false).unwrap();
    let unknown = number(7, 12, true).unwrap();
    assert_eq!((bucket_of(known), is_anonymous(known)), (7, false));
    assert_eq!((bucket_of(unknown), is_anonymous(unknown)), (7, true));
    assert!(known < unknown && unknown < number(8, 0, false).unwrap());
    assert!(number(0, ANONYMOUS, false).is_err());
}

#[test]
fn buckets_are_even_and_weights_balanced() {
    let keys = Keys::new(b"0123456789abcdef0123456789abcdef");
    let mut sizes = [0u32; 16];
    for person in 0..16_000 {
        sizes[bucket_of_digest(&keys.digest(&format!("P{person}")), 16) as usize] += 1;
    }
    assert!(sizes.iter().all(|size| (850..1150).contains(size)), "{sizes:?}");
    let mean = (0..10_000).map(|p| f64::from(keys.weight(p))).sum::<f64>() / 10_000.0;
    assert!(mean.abs() < 600.0, "{mean}");
}
