//! Who is in the pool.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::watch;

use super::replica::Replica;
use crate::{
    engine::{Engine, Model},
    models::full_name,
};

/// The replicas by their slots. Who leaves makes room for who comes; the others stay where they are.
#[derive(Default)]
pub struct Members {
    slots: Vec<Option<Member>>,
    /// Whether it was found out who is in the pool, even if that is nobody.
    pub are_known: bool,
    /// Whether not all list the same models, as far as they were asked.
    differ: bool,
    /// Told when it may be others who are to be asked.
    pub changes: watch::Sender<()>,
}

struct Member {
    replica: Arc<Replica>,
    /// What it lists; `None` before it was asked.
    models: Option<HashSet<String>>,
}

impl Members {
    /// These engines under their names.
    pub fn of(engines: impl IntoIterator<Item = (String, Arc<dyn Engine>)>) -> Self {
        let mut members = Self { are_known: true, ..Self::default() };
        for (name, engine) in engines {
            members.join(name, engine);
        }
        members
    }

    pub fn join(&mut self, name: String, engine: Arc<dyn Engine>) {
        let replica = Arc::new(Replica::new(name, engine, self.changes.clone()));
        let member = Some(Member { replica, models: None });
        match self.slots.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = member,
            None => self.slots.push(member),
        }
        self.changes.send_replace(());
    }

    /// Those of whom `stays` does not say so leave. Their answers go on.
    pub fn retain(&mut self, stays: impl Fn(&Replica) -> bool) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|member| !stays(&member.replica)) {
                *slot = None;
            }
        }
        self.changes.send_replace(());
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Replica>> {
        self.slots.iter().flatten().map(|member| &member.replica)
    }

    pub fn at(&self, slot: u32) -> Option<&Arc<Replica>> {
        self.slots.get(slot as usize)?.as_ref().map(|member| &member.replica)
    }

    /// The slots, with those who may have `model`: some server answers to names that it does not list, so where nobody
    /// lists it everybody may.
    pub fn who_may_have<'a>(&'a self, model: &'a str) -> impl Iterator<Item = Option<&'a Arc<Replica>>> {
        let full_name = full_name(model);
        let lists_it = move |member: &Member| {
            let models = member.models.as_ref();
            models.is_none_or(|models| models.contains(model) || models.contains(&full_name))
        };
        let everybody = !self.differ || !self.slots.iter().flatten().any(&lists_it);
        self.slots.iter().map(move |slot| {
            let member = slot.as_ref().filter(|member| everybody || lists_it(member))?;
            Some(&member.replica)
        })
    }

    /// What a replica has listed.
    pub fn note_models(&mut self, replica: &Arc<Replica>, models: &[Model]) {
        let listed = models.iter().map(|model| model.id.clone()).collect();
        let member = self.slots.iter_mut().flatten().find(|member| Arc::ptr_eq(&member.replica, replica));
        if let Some(member) = member {
            member.models = Some(listed);
        }
        let mut lists = self.slots.iter().flatten().filter_map(|member| member.models.as_ref());
        let first = lists.next();
        self.differ = lists.any(|list| Some(list) != first);
        self.changes.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineKind, Scripted};

    fn members(names: &[&str]) -> Members {
        Members::of(names.iter().map(|name| ((*name).to_owned(), engine())))
    }

    fn engine() -> Arc<dyn Engine> {
        Arc::new(Scripted::new(vec![]))
    }

    fn listing(ids: &[&str]) -> Vec<Model> {
        let model = |id: &&str| Model {
            id: (*id).to_owned(),
            engine: EngineKind::Scripted,
            size_bytes: None,
            memory_bytes: None,
            quantization: None,
            parameters: None,
            context_length: None,
            capabilities: Vec::new(),
            family: None,
            modified_at: None,
            digest: None,
            loaded: true,
            unloads_at: None,
            description: None,
        };
        ids.iter().map(model).collect()
    }

    fn names<'a>(replicas: impl Iterator<Item = Option<&'a Arc<Replica>>>) -> Vec<&'a str> {
        replicas.map(|replica| replica.map_or("", |replica| replica.name.as_str())).collect()
    }

    #[test]
    fn a_model_is_asked_of_those_who_list_it_and_of_those_who_were_not_asked() {
        let mut members = members(&["a", "b", "c"]);
        let [a, b] = [0, 1].map(|slot| members.at(slot).unwrap().clone());
        members.note_models(&a, &listing(&["small:latest", "large:70b"]));
        members.note_models(&b, &listing(&["small:latest"]));

        assert_eq!(names(members.who_may_have("small")), ["a", "b", "c"]);
        assert_eq!(names(members.who_may_have("large:70b")), ["a", "", "c"]);
    }

    #[test]
    fn a_model_that_nobody_lists_is_asked_of_everybody() {
        let mut members = members(&["a", "b"]);
        let [a, b] = [0, 1].map(|slot| members.at(slot).unwrap().clone());
        members.note_models(&a, &listing(&["one"]));
        members.note_models(&b, &listing(&["two"]));

        assert_eq!(names(members.who_may_have("three")), ["a", "b"]);
    }

    #[test]
    fn who_comes_takes_the_place_of_who_left_and_nobody_else_moves() {
        let mut members = members(&["a", "b", "c"]);

        members.retain(|replica| replica.name != "b");
        members.join("d".to_owned(), engine());

        assert_eq!(names(members.who_may_have("any")), ["a", "d", "c"]);
    }
}
