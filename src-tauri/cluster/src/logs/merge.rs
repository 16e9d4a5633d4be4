//! Lines of several streams in the order of their time stamps, as far as a short wait allows.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::LogLine;

/// A line as it was read.
pub(super) struct Read {
    /// Finer than the line's own time, which is what puts lines of one millisecond in order.
    pub at: Option<Timestamp>,
    pub line: LogLine,
}

pub(super) struct Merge {
    window: Duration,
    /// In the order of arrival.
    waiting: Vec<(Instant, Read)>,
}

impl Merge {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, waiting: Vec::new() }
    }

    pub(super) fn push(&mut self, read: Read) {
        self.waiting.push((Instant::now(), read));
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The lines that have waited long enough, and those that belong before them.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<LogLine> {
        let due = self.waiting.partition_point(|(arrived, _)| now.saturating_duration_since(*arrived) >= self.window);
        let latest = self.waiting[..due].iter().filter_map(|(_, read)| read.at).max();
        let mut index = 0;
        let taken = self.waiting.extract_if(.., |(_, read)| {
            index += 1;
            index <= due || read.at.is_some_and(|at| Some(at) < latest)
        });
        sorted(taken.collect())
    }

    pub(super) fn take_all(&mut self) -> Vec<LogLine> {
        sorted(std::mem::take(&mut self.waiting))
    }
}

fn sorted(mut reads: Vec<(Instant, Read)>) -> Vec<LogLine> {
    // A line without a time stamp stays behind the one that it came after in the same container.
    let mut times: std::collections::HashMap<(String, String), Timestamp> = std::collections::HashMap::new();
    for (_, read) in &mut reads {
        let container = (read.line.pod.clone(), read.line.container.clone());
        match read.at {
            Some(at) => drop(times.insert(container, at)),
            None => read.at = times.get(&container).copied(),
        }
    }
    reads.sort_by_key(|(_, read)| read.at);
    reads.into_iter().map(|(_, read)| read.line).collect()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(250);

    fn read(pod: &str, at: Option<i64>) -> Read {
        let text = at.map(|at| at.to_string()).unwrap_or_default();
        let line = LogLine { pod: pod.to_owned(), container: "c".to_owned(), at, text };
        Read { at: at.map(|at| Timestamp::from_millisecond(at).unwrap()), line }
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn lines_of_two_pods_come_in_the_order_in_which_they_were_written() {
        let mut merge = Merge::new(WINDOW);
        for (pod, at) in [("a", 1), ("a", 4), ("b", 2), ("b", 3)] {
            merge.push(read(pod, Some(at)));
        }
        assert_eq!(texts(&merge.take_due(Instant::now())), [""; 0]);
        advance(WINDOW).await;
        assert_eq!(texts(&merge.take_due(Instant::now())), ["1", "2", "3", "4"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_line_goes_out_before_those_that_were_written_after_it() {
        let mut merge = Merge::new(WINDOW);
        merge.push(read("a", Some(10)));
        advance(WINDOW).await;
        merge.push(read("b", Some(9)));
        merge.push(read("b", Some(11)));
        assert_eq!(texts(&merge.take_due(Instant::now())), ["9", "10"]);
        assert_eq!(texts(&merge.take_all()), ["11"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_without_a_time_stamp_stays_where_it_was_in_its_pod() {
        let mut merge = Merge::new(WINDOW);
        merge.push(read("a", Some(5)));
        merge.push(read("a", None));
        merge.push(read("b", Some(7)));
        assert_eq!(texts(&merge.take_all()), ["5", "", "7"]);
    }
}
