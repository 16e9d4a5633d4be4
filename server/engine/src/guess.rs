//! Guesses the next tokens of an answer from what stands before them: an answer that quotes or edits a text says it again.
//!
//! Reading the weights takes most of a step with one token, so a few guesses beside it cost little. Each token is still chosen
//! as it would be without them: those that were guessed right are computed already, the others are thrown away.

/// How far ahead to guess in one answer, by how its guesses went so far.
#[derive(Debug)]
pub struct Guesses {
    most: usize,
    next: usize,
    /// Tokens until the next guess.
    pause: usize,
    /// In a row.
    misses: u32,
}

/// So many tokens have to be the same before those behind them are taken for a guess.
const SAME: usize = 3;
/// No more of them are compared.
const MANY: usize = 32;
const FIRST: usize = 3;
/// The pause behind the first miss. Each further one doubles it.
const PAUSE: usize = 8;
const MAX_DOUBLINGS: u32 = 5;

impl Guesses {
    /// At most `most` tokens at a time.
    pub fn new(most: u32) -> Self {
        let most = most as usize;
        Self { most, next: FIRST.min(most), pause: 0, misses: 0 }
    }

    /// What may come behind `text` and `last`, at most `room` tokens.
    pub fn make<Token: PartialEq + Clone>(&mut self, text: &[Token], last: &Token, room: usize) -> Vec<Token> {
        if self.pause > 0 {
            self.pause -= 1;
            return Vec::new();
        }
        let guess = continuation(text, last);
        guess[..guess.len().min(self.next).min(room)].to_vec()
    }

    /// Learns that of `made` guesses the first `right` were right.
    pub fn learn(&mut self, made: usize, right: usize) {
        if made == 0 {
            return;
        }
        if right == 0 {
            self.next = FIRST.min(self.most);
            self.pause = PAUSE << self.misses;
            self.misses = (self.misses + 1).min(MAX_DOUBLINGS);
        } else {
            self.next = if right == made { (self.next * 2).min(self.most) } else { right };
            self.misses = 0;
        }
    }
}

/// What stands behind the earlier place that has most in common with the end of `text` and `last`; of several the latest.
fn continuation<'a, Token: PartialEq>(text: &'a [Token], last: &Token) -> &'a [Token] {
    let same = |end: usize| {
        let before = text[..end].iter().rev().zip(text.iter().rev());
        1 + before.take(MANY).take_while(|(earlier, now)| earlier == now).count()
    };
    (0..text.len().saturating_sub(1))
        .filter(|&place| text[place] == *last)
        .map(|place| (same(place), place))
        .filter(|(same, _)| *same >= SAME)
        .max()
        .map_or(&[], |(_, place)| &text[place + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(guesses: &mut Guesses, text: &str) -> String {
        let (last, text) = text.as_bytes().split_last().unwrap();
        String::from_utf8(guesses.make(text, last, 100)).unwrap()
    }

    #[test]
    fn what_followed_the_same_words_is_guessed_to_follow_them_again() {
        assert_eq!(guess(&mut Guesses::new(3), "the quick brown fox; the qu"), "ick");
        assert_eq!(guess(&mut Guesses::new(3), "nothing of it twice"), "");
    }

    #[test]
    fn the_place_that_has_more_in_common_counts_more_than_a_later_one() {
        assert_eq!(guess(&mut Guesses::new(1), "a b c d 1, b c d 2, a b c d "), "1");
        assert_eq!(guess(&mut Guesses::new(1), "b c d 1, b c d 2; b c d "), "2");
    }

    #[test]
    fn guesses_that_are_right_become_longer_and_those_that_are_wrong_rarer() {
        let mut guesses = Guesses::new(8);
        let text = "abcdefghijklmnop abcd";
        assert_eq!(guess(&mut guesses, text).len(), 3);
        guesses.learn(3, 3);
        assert_eq!(guess(&mut guesses, text).len(), 6);
        guesses.learn(6, 6);
        assert_eq!(guess(&mut guesses, text).len(), 8);
        guesses.learn(8, 2);
        assert_eq!(guess(&mut guesses, text).len(), 2);

        guesses.learn(2, 0);
        let pause = (0..).take_while(|_| guess(&mut guesses, text).is_empty()).count();
        guesses.learn(3, 0);
        let longer = (0..).take_while(|_| guess(&mut guesses, text).is_empty()).count();

        assert_eq!((pause, longer), (PAUSE, 2 * PAUSE));
    }

    #[test]
    fn there_are_no_guesses_where_none_are_wanted_or_no_room_is_left() {
        assert_eq!(guess(&mut Guesses::new(0), "abcdefgh abcd"), "");
        assert_eq!(Guesses::new(8).make(b"abcdefgh abc", &b'd', 1), b"e");
    }
}
