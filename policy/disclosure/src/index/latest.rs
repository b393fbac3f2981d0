//! Where the latest posting under each token stands.

/// Millions of tokens, each beside its posting: memory is asked once for both. A table of as many places as a power of
/// two, a quarter of them free; whatever does not find its own place stands in the next free one behind it.
#[derive(Default)]
pub(super) struct Latest {
    places: Vec<Place>,
    taken: usize,
}

#[derive(Clone, Copy)]
struct Place {
    /// [`FREE`] is no token.
    token: u32,
    posting: u32,
}

/// Tokens hold a mark, and no mark is 0.
const FREE: u32 = 0;

/// There is no posting.
pub(super) const NONE: u32 = u32::MAX;

/// Of the first table.
const FEWEST: usize = 64;

/// Where a token belongs, in a table of any size. Tokens hold keyed marks, so nobody can choose them to collide.
fn home(token: u32) -> usize {
    (u64::from(token).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

impl Latest {
    /// The latest posting under a token, or [`NONE`].
    pub(super) fn get(&self, token: u32) -> u32 {
        let place = self.places.get(self.place(token));
        place.filter(|place| place.token == token).map_or(NONE, |place| place.posting)
    }

    /// The latest posting under each of several tokens; of 0, which is none, [`NONE`].
    pub(super) fn all<const N: usize>(&self, tokens: &[u32; N]) -> [u32; N] {
        let mut postings = [NONE; N];
        let given = || tokens.iter().take_while(|token| **token != FREE);
        // Each is touched first, with nothing that waits for the one before it: memory answers many at once as fast
        // as one.
        let last = self.places.len().wrapping_sub(1);
        let touched = given().filter_map(|token| self.places.get(home(*token) & last));
        std::hint::black_box(touched.fold(0, |all, place| all ^ place.token));
        for (posting, token) in postings.iter_mut().zip(given()) {
            *posting = self.get(*token);
        }
        postings
    }

    /// Puts a posting under a token and gives the one that was there. A token under which there is [`NONE`] keeps its
    /// place until the table grows.
    pub(super) fn put(&mut self, token: u32, posting: u32) -> u32 {
        if self.taken >= self.most() {
            self.grow(self.places.len() * 2);
        }
        let at = self.place(token);
        let Some(place) = self.places.get_mut(at) else { return NONE };
        if place.token == token {
            return std::mem::replace(&mut place.posting, posting);
        }
        *place = Place { token, posting };
        self.taken += 1;
        NONE
    }

    /// Makes room for so many tokens more.
    pub(super) fn expect(&mut self, tokens: usize) {
        let all = self.taken.saturating_add(tokens);
        if all > self.most() {
            self.grow((all / 3 * 4 + FEWEST).next_power_of_two());
        }
    }

    /// Every token with a posting under it.
    #[cfg(test)]
    pub(super) fn tokens(&self) -> impl Iterator<Item = u32> {
        self.places.iter().filter(|p| p.token != FREE && p.posting != NONE).map(|p| p.token)
    }

    /// Where a token stands, or would.
    fn place(&self, token: u32) -> usize {
        let last = self.places.len().wrapping_sub(1);
        let mut at = home(token) & last;
        while let Some(place) = self.places.get(at)
            && place.token != token
            && place.token != FREE
        {
            at = (at + 1) & last;
        }
        at
    }

    /// So many are taken at most.
    fn most(&self) -> usize {
        self.places.len() / 4 * 3
    }

    fn grow(&mut self, places: usize) {
        let more = places.max(FEWEST);
        let before =
            std::mem::replace(&mut self.places, vec![Place { token: FREE, posting: NONE }; more]);
        self.taken = 0;
        for kept in before.iter().filter(|p| p.token != FREE && p.posting != NONE) {
            let at = self.place(kept.token);
            if let Some(place) = self.places.get_mut(at) {
                *place = *kept;
                self.taken += 1;
            }
        }
    }
}
