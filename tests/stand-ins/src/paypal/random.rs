//! Random ids, which differ in every run: a ledger's file is continued in the next.

use uuid::Uuid;

/// Makes an id that no other has.
#[expect(
    clippy::disallowed_methods,
    reason = "a stand-in is a process of its own, with the randomness of the machine"
)]
pub(super) fn uuid() -> Uuid {
    Uuid::new_v4()
}

/// Makes an id of PayPal's form: thirteen capital letters and digits.
pub(super) fn short_id() -> String {
    const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    // The fixed bits of a version-4 id are among the higher ones.
    let mut random = uuid().as_u128();
    let mut id = String::with_capacity(13);
    for _ in 0..13 {
        let place = usize::try_from(random % 32).unwrap_or_default();
        id.push(LETTERS.get(place).copied().map_or('A', char::from));
        random >>= 5;
    }
    id
}
