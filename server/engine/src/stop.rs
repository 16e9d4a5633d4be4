//! Ends an answer before the first stop string, which may be spread over several tokens.

/// Watches a stream of text for stop strings.
///
/// Text that could be the start of a stop string is held back until it is clear that it is not.
/// The stop string that is complete first wins; of two that end together, the longer one.
#[derive(Debug)]
pub struct StopScanner {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

/// What one piece of text led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Scanned {
    /// This much is certainly part of the answer.
    Text(String),
    /// A stop string was met; this is the end of the answer, and whatever is pushed later is none of it.
    Stopped(String),
}

impl StopScanner {
    /// `stops` must not contain an empty string.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new(), stopped: false }
    }

    pub fn push(&mut self, text: &str) -> Scanned {
        if self.stopped {
            return Scanned::Stopped(String::new());
        }
        self.held.push_str(text);
        if let Some(start) = self.first_stop() {
            self.stopped = true;
            self.held.truncate(start);
            return Scanned::Stopped(std::mem::take(&mut self.held));
        }
        let undecided = self.held.split_off(self.held.len() - self.undecided_len());
        Scanned::Text(std::mem::replace(&mut self.held, undecided))
    }

    /// What was held back when the answer ends without a stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the stop string that is complete first begins.
    fn first_stop(&self) -> Option<usize> {
        self.stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()).map(|start| (start + stop.len(), start)))
            .min()
            .map(|(_end, start)| start)
    }

    /// Bytes at the end of the held text that may yet become a stop string.
    fn undecided_len(&self) -> usize {
        let longest_prefix = |stop: &String| {
            (stop.char_indices().map(|(index, _)| index).rev())
                .find(|&len| self.held.ends_with(&stop[..len]))
                .unwrap_or(0)
        };
        self.stops.iter().map(longest_prefix).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(pieces: &[&str], stops: &[String]) -> String {
        let mut scanner = StopScanner::new(stops.to_vec());
        let mut answer = String::new();
        for piece in pieces {
            match scanner.push(piece) {
                Scanned::Text(text) => answer.push_str(&text),
                Scanned::Stopped(text) => return answer + &text,
            }
        }
        answer + &scanner.finish()
    }

    /// The answer by definition: the shortest beginning that ends with a stop string, without the longest such string.
    fn cut_at_first_stop(text: &str, stops: &[String]) -> String {
        let ends = text.char_indices().map(|(index, _)| index).chain([text.len()]);
        for end in ends {
            let matched = stops.iter().filter(|stop| text[..end].ends_with(stop.as_str()));
            if let Some(longest) = matched.map(String::len).max() {
                return text[..end - longest].to_owned();
            }
        }
        text.to_owned()
    }

    #[test]
    fn a_stop_string_spread_over_pieces_is_never_shown() {
        let mut scanner = StopScanner::new(vec!["\n\nUser:".into()]);

        assert_eq!(scanner.push("Hello\n"), Scanned::Text("Hello".into()));
        assert_eq!(scanner.push("\nUs"), Scanned::Text(String::new()));
        assert_eq!(scanner.push("er: hi"), Scanned::Stopped(String::new()));
    }

    #[test]
    fn a_false_start_is_released() {
        let mut scanner = StopScanner::new(vec!["END".into()]);

        assert_eq!(scanner.push("the E"), Scanned::Text("the ".into()));
        assert_eq!(scanner.push("N of"), Scanned::Text("EN of".into()));
    }

    proptest! {
        #[test]
        fn the_answer_is_the_text_cut_at_the_first_stop_string(
            pieces in prop::collection::vec("[abé]{0,4}", 0..12),
            stops in prop::collection::vec("[abé]{1,4}", 0..4),
        ) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(scan(&pieces, &stops), cut_at_first_stop(&pieces.concat(), &stops));
        }
    }
}
