//! Whether what is shown is what is: one state over all watches.

use std::collections::BTreeMap;

use serde::Serialize;
use ts_rs::TS;

/// What the panel says about its connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Connection {
    pub state: ConnectionState,
    /// In words: why it is not live, or what cannot be read although it is.
    pub reason: Option<String>,
    /// Since when it is in this state, in milliseconds since 1970.
    #[ts(type = "number")]
    pub since: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    Connecting,
    Live,
    Reconnecting,
}

/// What is read of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Pods,
    Deployments,
    StatefulSets,
    Autoscalers,
    Events,
    Metrics,
}

impl Source {
    fn words(self) -> &'static str {
        match self {
            Self::Pods => "Pods",
            Self::Deployments => "Deployments",
            Self::StatefulSets => "StatefulSets",
            Self::Autoscalers => "Autoscalers",
            Self::Events => "Events",
            Self::Metrics => "CPU and memory",
        }
    }
}

/// How one source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Its list has not come yet.
    Waiting,
    Up,
    /// The cluster answers, but not this: a right or an API is missing. Says which.
    Refused(String),
    /// The cluster does not answer. Says why.
    Down(String),
}

pub(super) struct Links {
    links: BTreeMap<Source, Link>,
    was_live: bool,
    pub connection: Connection,
}

impl Links {
    pub(super) fn new(now: i64) -> Self {
        use Source::{Autoscalers, Deployments, Events, Pods, StatefulSets};
        let watched = [Pods, Deployments, StatefulSets, Autoscalers, Events];
        Self {
            links: watched.into_iter().map(|source| (source, Link::Waiting)).collect(),
            was_live: false,
            connection: Connection { state: ConnectionState::Connecting, reason: None, since: now },
        }
    }

    /// Whether the connection's state or reason has changed by this.
    pub(super) fn set(&mut self, source: Source, link: Link, now: i64) -> bool {
        self.links.insert(source, link);
        let (state, reason) = self.judge();
        self.was_live |= state == ConnectionState::Live;
        if (state, &reason) == (self.connection.state, &self.connection.reason) {
            return false;
        }
        let since = if state == self.connection.state { self.connection.since } else { now };
        self.connection = Connection { state, reason, since };
        true
    }

    fn judge(&self) -> (ConnectionState, Option<String>) {
        let down = self.links.values().find_map(|link| match link {
            Link::Down(reason) => Some(reason.clone()),
            _ => None,
        });
        if down.is_some() || self.links.values().any(|link| *link == Link::Waiting) {
            let state = if self.was_live { ConnectionState::Reconnecting } else { ConnectionState::Connecting };
            return (state, down);
        }
        let refused: Vec<_> = self
            .links
            .iter()
            .filter_map(|(source, link)| match link {
                Link::Refused(why) => Some(format!("{} cannot be read: {why}", source.words())),
                _ => None,
            })
            .collect();
        (ConnectionState::Live, (!refused.is_empty()).then(|| refused.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCHED: [Source; 5] =
        [Source::Pods, Source::Deployments, Source::StatefulSets, Source::Autoscalers, Source::Events];

    fn live() -> Links {
        let mut links = Links::new(0);
        for source in WATCHED {
            links.set(source, Link::Up, 1);
        }
        links
    }

    #[test]
    fn it_is_live_once_every_list_has_come() {
        let mut links = Links::new(0);
        for source in &WATCHED[1..] {
            links.set(*source, Link::Up, 1);
            assert_eq!(links.connection.state, ConnectionState::Connecting);
        }
        assert!(links.set(WATCHED[0], Link::Up, 2));
        let connection = Connection { state: ConnectionState::Live, reason: None, since: 2 };
        assert_eq!(links.connection, connection);
    }

    #[test]
    fn one_lost_watch_is_a_lost_connection_until_it_is_back() {
        let mut links = live();
        links.set(Source::Pods, Link::Down("refused".to_owned()), 5);
        links.set(Source::Events, Link::Down("refused".to_owned()), 6);
        assert_eq!(links.connection.state, ConnectionState::Reconnecting);
        assert_eq!((links.connection.reason.as_deref(), links.connection.since), (Some("refused"), 5));
        links.set(Source::Pods, Link::Up, 7);
        assert_eq!(links.connection.state, ConnectionState::Reconnecting);
        links.set(Source::Events, Link::Up, 8);
        assert_eq!(links.connection.state, ConnectionState::Live);
    }

    #[test]
    fn a_missing_right_is_named_and_does_not_hide_the_rest() {
        let mut links = live();
        links.set(Source::Autoscalers, Link::Refused("no right.".to_owned()), 5);
        assert_eq!(links.connection.state, ConnectionState::Live);
        assert_eq!(links.connection.reason.as_deref(), Some("Autoscalers cannot be read: no right."));
        assert_eq!(links.connection.since, 1);
    }

    #[test]
    fn a_first_connection_that_fails_keeps_connecting_and_says_why() {
        let mut links = Links::new(0);
        links.set(Source::Pods, Link::Down("refused".to_owned()), 5);
        assert_eq!(links.connection.state, ConnectionState::Connecting);
        assert_eq!(links.connection.reason.as_deref(), Some("refused"));
    }
}
