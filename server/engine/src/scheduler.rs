//! Continuous batching: each step computes the next token of every chat, and a part of the prompts that are new, in one batch.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;

use crate::answer::Replayed;
use crate::cache::Cache;
use crate::chat::{Chat, Request};
use crate::embedding::Embedder;
use crate::intake::Intake;
use crate::logprobs::logprob;
use crate::model::BATCH_TOKENS;
use crate::pace::Pace;
use crate::process::{EventWriter, Received};
use crate::protocol::{Command, ErrorCode, Event, FinishReason, LoadOptions};

/// Owns everything that is being generated.
pub struct Scheduler<'model> {
    model: &'model LlamaModel,
    cache: Cache<'model>,
    intake: Intake<'model>,
    embedder: Embedder<'model>,
    batch: LlamaBatch<'static>,
    /// The chat in each of the cache's slots.
    chats: Vec<Option<Chat>>,
    waiting: VecDeque<Request>,
    pace: Pace,
    events: Vec<Event>,
    writer: EventWriter,
}

/// What one slot put into the batch.
struct Share {
    slot: usize,
    tokens: usize,
    /// The place in the batch of the token to sample after, once all that was pending is in it.
    output: Option<i32>,
}

impl<'model> Scheduler<'model> {
    pub fn new(
        model: &'model LlamaModel,
        context: LlamaContext<'model>,
        intake: Intake<'model>,
        embedder: Embedder<'model>,
        options: &LoadOptions,
        writer: EventWriter,
    ) -> Self {
        Self {
            model,
            cache: Cache::new(model, context, options.slots, (options.prefix_memory as usize) << 20),
            intake,
            embedder,
            batch: LlamaBatch::new(BATCH_TOKENS as usize, 1),
            chats: (0..options.slots).map(|_| None).collect(),
            waiting: VecDeque::new(),
            pace: Pace::default(),
            events: Vec::new(),
            writer,
        }
    }

    /// Serves commands until there can be no more of them.
    pub fn run(mut self, commands: &Receiver<Received>) {
        loop {
            if self.is_idle() {
                match commands.recv() {
                    Ok(received) => self.handle(received),
                    Err(_) => return,
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(received) => self.handle(received),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.admit();
            self.step();
            self.embedder.step(&mut self.events);
            self.writer.write(self.events.drain(..));
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.embedder.is_idle() && self.chats.iter().all(Option::is_none)
    }

    fn handle(&mut self, received: Received) {
        match received.command {
            Ok(Command::Generate { id, prompt, answer_so_far, params, output }) => {
                match self.intake.request(id, &prompt, &answer_so_far, params, &output, received.arrived) {
                    Ok((request, replayed)) => self.enqueue(request, replayed),
                    Err(refusal) => self.events.push(refusal),
                }
            }
            Ok(Command::Count { id, prompt }) => self.events.push(self.intake.count(id, &prompt)),
            Ok(Command::Embed { id, texts, truncate }) => match self.intake.texts(&id, &texts, truncate) {
                Ok(texts) => self.embedder.enqueue(id, texts),
                Err(refusal) => self.events.push(refusal),
            },
            Ok(Command::Cancel { id }) => self.cancel(&id),
            Ok(Command::Load { id, .. }) => {
                let message = "This engine has loaded a model already. Start another engine for another model.";
                self.events.push(Event::invalid(id, message.to_owned()));
            }
            Err(event) => self.events.push(event),
        }
    }

    fn enqueue(&mut self, request: Request, replayed: Replayed) {
        self.events.extend(replayed.said.into_iter().map(|said| said.into_event(&request.id, Vec::new())));
        match replayed.ended {
            Some(reason) => self.events.push(request.end(reason)),
            None => self.waiting.push_back(request),
        }
    }

    fn cancel(&mut self, id: &str) {
        self.embedder.cancel(id);
        if let Some(position) = self.waiting.iter().position(|request| request.id == id) {
            let request = self.waiting.remove(position);
            self.events.extend(request.map(|request| request.end(FinishReason::Cancelled)));
        }
        for slot in &mut self.chats {
            if let Some(chat) = slot.take_if(|chat| chat.id == id) {
                chat.finish(FinishReason::Cancelled, &mut self.events);
            }
        }
    }

    /// Gives slots to waiting requests, first come, first served.
    fn admit(&mut self) {
        while let Some(request) = self.waiting.pop_front() {
            let Some(place) = self.cache.place(&request.tokens, |slot| self.chats[slot].is_none()) else {
                self.waiting.push_front(request);
                return;
            };
            let chat = Chat::start(request, place.reused, self.model.n_vocab(), self.intake.context_length());
            self.chats[place.slot] = Some(chat);
        }
    }

    fn step(&mut self) {
        let shares = self.fill_batch();
        if shares.is_empty() {
            return;
        }
        let started = Instant::now();
        if let Err(error) = self.cache.decode(&mut self.batch) {
            tracing::error!(%error, "llama.cpp could not compute a batch");
            self.fail_all();
            return;
        }
        self.pace.record(self.batch.n_tokens() as usize, started.elapsed());
        for share in shares {
            self.finish_share(&share);
        }
    }

    /// What each chat computes in this step, in the order of the slots.
    ///
    /// llama.cpp computes neighbours in one pass over the weights, but only where they stand in the batch by their numbers:
    /// any other order costs a pass for each.
    fn fill_batch(&mut self) -> Vec<Share> {
        self.batch.clear();
        let mut shares = self.divide();
        for share in &mut shares {
            let Some(chat) = &self.chats[share.slot] else { continue };
            for (offset, &token) in chat.pending[..share.tokens].iter().enumerate() {
                let position = (self.cache.len(share.slot) + offset) as i32;
                let is_output = offset + 1 == chat.pending.len();
                let added = self.batch.add(token, position, &[share.slot as i32], is_output);
                debug_assert!(added.is_ok(), "the room is counted");
            }
            share.output = (share.tokens == chat.pending.len()).then(|| self.batch.n_tokens() - 1);
        }
        shares
    }

    /// Chats that decode go first, with one token each; what is left goes to prompts in the order of their arrival.
    fn divide(&self) -> Vec<Share> {
        let mut order: Vec<(bool, Instant, usize)> = (self.chats.iter().enumerate())
            .filter_map(|(slot, chat)| chat.as_ref().map(|chat| (!chat.is_decoding(), chat.arrived(), slot)))
            .collect();
        order.sort_unstable();

        let decoding = order.iter().filter(|(prefilling, ..)| !prefilling).count();
        let mut room = (decoding + self.pace.prompt_tokens()).min(BATCH_TOKENS as usize);
        let mut shares = Vec::with_capacity(order.len());
        for (_, _, slot) in order {
            let pending = self.chats[slot].as_ref().map_or(0, |chat| chat.pending.len());
            let tokens = pending.min(room);
            room -= tokens;
            if tokens > 0 {
                shares.push(Share { slot, tokens, output: None });
            }
        }
        shares.sort_unstable_by_key(|share| share.slot);
        shares
    }

    /// Accounts for what was computed, and samples the next token.
    fn finish_share(&mut self, share: &Share) {
        let slot = &mut self.chats[share.slot];
        let Some(chat) = slot else { return };
        self.cache.extend(share.slot, chat.pending.drain(..share.tokens));
        let Some(output) = share.output else { return };
        let context = self.cache.context();
        let token = match chat.sampler.sample(context, output) {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "an answer cannot be held to its grammar");
                let message = "The answer cannot be held to its schema. Simplify the schema.".to_owned();
                self.events.push(Event::Error { id: chat.id.clone(), code: ErrorCode::Internal, message });
                *slot = None;
                return;
            }
        };
        let alternatives = chat.logprobs.map(|count| count as usize);
        let logprob =
            alternatives.map(|count| logprob(token, context.get_logits_ith(output), count, &self.model.vocab()));
        if let Some(reason) = chat.accept(token, logprob, self.model, &mut self.events)
            && let Some(chat) = slot.take()
        {
            chat.finish(reason, &mut self.events);
        }
    }

    /// Ends every chat with an error and empties the cache, of which nothing is known any more.
    fn fail_all(&mut self) {
        self.cache.clear();
        for chat in self.chats.iter_mut().filter_map(Option::take) {
            let message = "The engine could not compute this answer. Try again.".to_owned();
            self.events.push(Event::Error { id: chat.id, code: ErrorCode::Internal, message });
        }
    }
}
