//! The objects of one kind that are known, and which of them have changed.

use std::collections::{HashMap, HashSet};

use crate::{autoscaler::Autoscaler, pods::Pod, workloads::Workload};

/// What a watch says, about objects that are small already.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change<T> {
    /// A list begins: what it does not name is gone at its end.
    ListBegins,
    Listed(T),
    ListEnds,
    Applied(T),
    Gone(T),
}

/// What tells one object from the others of its kind.
pub(super) trait Keyed: PartialEq {
    fn key(&self) -> &str;

    /// Take over what the watch does not tell.
    fn inherit(&mut self, _before: &Self) {}
}

impl Keyed for Pod {
    fn key(&self) -> &str {
        &self.uid
    }

    fn inherit(&mut self, before: &Self) {
        self.cpu_millicores = before.cpu_millicores;
        self.memory_bytes = before.memory_bytes;
    }
}

impl Keyed for Workload {
    fn key(&self) -> &str {
        &self.name
    }
}

impl Keyed for Autoscaler {
    fn key(&self) -> &str {
        &self.name
    }
}

pub(super) struct Table<T> {
    pub items: HashMap<String, T>,
    /// What the list under way has named so far.
    listing: Option<HashSet<String>>,
    /// The first list has ended, and nobody has been told yet: that there is nothing is news too.
    is_news: bool,
    was_listed: bool,
    pub changed: HashSet<String>,
    pub gone: HashSet<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            items: HashMap::new(),
            listing: None,
            is_news: false,
            was_listed: false,
            changed: HashSet::new(),
            gone: HashSet::new(),
        }
    }
}

impl<T: Keyed> Table<T> {
    pub(super) fn take(&mut self, change: Change<T>) {
        match change {
            Change::ListBegins => self.listing = Some(HashSet::new()),
            Change::Listed(item) => {
                if let Some(listing) = &mut self.listing {
                    listing.insert(item.key().to_owned());
                }
                self.apply(item);
            }
            Change::ListEnds => {
                let Some(listing) = self.listing.take() else { return };
                let gone: Vec<_> = self.items.keys().filter(|key| !listing.contains(*key)).cloned().collect();
                gone.iter().for_each(|key| self.remove(key));
                self.is_news |= !self.was_listed;
                self.was_listed = true;
            }
            Change::Applied(item) => self.apply(item),
            Change::Gone(item) => self.remove(item.key()),
        }
    }

    pub(super) fn has_changed(&self) -> bool {
        self.is_news || !self.changed.is_empty() || !self.gone.is_empty()
    }

    /// Everything has been told.
    pub(super) fn settle(&mut self) {
        self.is_news = false;
        self.changed.clear();
        self.gone.clear();
    }

    fn apply(&mut self, mut item: T) {
        let key = item.key().to_owned();
        if let Some(before) = self.items.get(&key) {
            item.inherit(before);
            // A node's heartbeat or a field that nobody shows is no news.
            if *before == item {
                return;
            }
        }
        self.gone.remove(&key);
        self.changed.insert(key.clone());
        self.items.insert(key, item);
    }

    fn remove(&mut self, key: &str) {
        if self.items.remove(key).is_some() {
            self.changed.remove(key);
            self.gone.insert(key.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A name and a version of it.
    #[derive(Clone, Debug, PartialEq)]
    struct Item(String, u8);

    impl Keyed for Item {
        fn key(&self) -> &str {
            &self.0
        }
    }

    fn item(name: &str) -> Item {
        Item(name.to_owned(), 1)
    }

    fn keys(set: &HashSet<String>) -> Vec<&str> {
        let mut keys: Vec<_> = set.iter().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    fn table(names: &[&str]) -> Table<Item> {
        let mut table = Table::default();
        names.iter().for_each(|name| table.take(Change::Applied(item(name))));
        table.changed.clear();
        table
    }

    #[test]
    fn a_list_after_an_outage_shows_what_went_and_what_came_meanwhile() {
        let mut table = table(&["went", "stayed"]);
        table.take(Change::ListBegins);
        table.take(Change::Listed(item("stayed")));
        table.take(Change::Listed(item("came")));
        // Nothing is gone before the list has ended: it may break off and begin again.
        assert_eq!(keys(&table.gone), [""; 0]);
        table.take(Change::ListEnds);
        assert_eq!(keys(&table.gone), ["went"]);
        assert_eq!(keys(&table.changed), ["came"]);
    }

    #[test]
    fn a_list_that_broke_off_takes_nothing_away() {
        let mut table = table(&["a", "b"]);
        table.take(Change::ListBegins);
        table.take(Change::Listed(item("a")));
        table.take(Change::ListBegins);
        table.take(Change::Listed(item("a")));
        table.take(Change::Listed(item("b")));
        table.take(Change::ListEnds);
        assert_eq!(keys(&table.gone), [""; 0]);
    }

    #[test]
    fn what_looks_the_same_is_no_news() {
        let mut table = table(&["a"]);
        table.take(Change::Applied(item("a")));
        assert!(!table.has_changed());
        table.take(Change::Applied(Item("a".to_owned(), 2)));
        assert_eq!(keys(&table.changed), ["a"]);
    }

    #[test]
    fn what_came_and_went_between_two_updates_is_only_gone() {
        let mut table = table(&[]);
        table.take(Change::Applied(item("a")));
        table.take(Change::Gone(item("a")));
        assert_eq!((keys(&table.changed), keys(&table.gone)), (vec![], vec!["a"]));
    }

    fn change() -> impl Strategy<Value = Change<Item>> {
        let item = (0..6u8, 0..3u8).prop_map(|(name, version)| Item(name.to_string(), version));
        prop_oneof![
            Just(Change::ListBegins),
            Just(Change::ListEnds),
            item.clone().prop_map(Change::Listed),
            item.clone().prop_map(Change::Applied),
            item.prop_map(Change::Gone),
        ]
    }

    proptest! {
        /// A reader that applies every update knows what the table knows, whenever the updates are cut.
        #[test]
        fn updates_rebuild_the_table(rounds in proptest::collection::vec(proptest::collection::vec(change(), 0..8), 0..12)) {
            let mut table = Table::default();
            let mut reader = HashMap::new();
            for changes in rounds {
                changes.into_iter().for_each(|change| table.take(change));
                for key in table.gone.drain() {
                    reader.remove(&key);
                }
                for key in table.changed.drain() {
                    reader.insert(key.clone(), table.items[&key].clone());
                }
                prop_assert_eq!(&reader, &table.items);
            }
        }
    }
}
