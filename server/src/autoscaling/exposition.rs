//! The gauges in what `/metrics` of a server says, which is Prometheus' text format.

use std::collections::{BTreeMap, HashSet};

/// By name, then by labels.
pub type Gauges = BTreeMap<String, BTreeMap<Labels, f64>>;

pub type Labels = BTreeMap<String, String>;

/// Counters and histograms are left out: an autoscaler needs what is, not what was.
pub fn gauges(text: &str) -> Gauges {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" gauge"));
    let names: HashSet<_> = types.collect();
    let mut gauges = Gauges::new();
    for (name, labels, value) in text.lines().filter_map(sample) {
        if names.contains(name) {
            gauges.entry(name.to_owned()).or_default().insert(labels, value);
        }
    }
    gauges
}

fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    let end = line.find(['{', ' ']).filter(|_| !line.starts_with('#'))?;
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    Some((name, labels, value.trim().parse().ok()?))
}

/// The labels up to the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, value) = rest.split_once("=\"")?;
        let (value, behind) = quoted(value)?;
        labels.insert(name.to_owned(), value);
        rest = behind;
    }
}

/// A value up to its closing quote, with what it escapes, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        encoding::text::encode,
        metrics::{counter::Counter, family::Family, gauge::Gauge},
        registry::Registry,
    };
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_the_library_writes_is_read_back(values in proptest::collection::btree_map(any::<String>(), any::<i32>(), 0..5)) {
            let mut registry = Registry::default();
            let (waiting, total) = (Family::<Vec<(String, String)>, Gauge>::default(), Counter::<u64>::default());
            registry.register("waiting", "of each model", waiting.clone());
            registry.register("ended", "not a gauge", total);
            for (model, value) in &values {
                waiting.get_or_create(&vec![("model".to_owned(), model.clone())]).set(i64::from(*value));
            }
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();

            let expected: BTreeMap<_, _> = values
                .into_iter()
                .map(|(model, value)| (Labels::from([("model".to_owned(), model)]), f64::from(value)))
                .collect();
            let read = gauges(&text);
            prop_assert_eq!(read.get("waiting").cloned().unwrap_or_default(), expected);
            prop_assert!(!read.contains_key("ended_total"));
        }

        #[test]
        fn no_text_is_too_strange(text: String) {
            gauges(&text);
        }
    }
}
