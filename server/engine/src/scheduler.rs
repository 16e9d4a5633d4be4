//! Continuous batching: each step computes the next token of every chat, and a part of the prompts that are new, in one batch.
//!
//! Invariant: a slot's `cached` tokens are exactly what llama.cpp's cache holds for its sequence, because what is reused
//! later is decided by comparing them.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::answer::Replayed;
use crate::chat::{Chat, Request};
use crate::embedding::Embedder;
use crate::intake::Intake;
use crate::logprobs::logprob;
use crate::model::BATCH_TOKENS;
use crate::pace::Pace;
use crate::process::{EventWriter, Received};
use crate::protocol::{Command, ErrorCode, Event, FinishReason};
use crate::slots::{self, Candidate};

/// Owns the llama.cpp context and everything that is being generated in it.
pub struct Scheduler<'model> {
    model: &'model LlamaModel,
    context: LlamaContext<'model>,
    intake: Intake<'model>,
    embedder: Embedder<'model>,
    batch: LlamaBatch<'static>,
    slots: Vec<Slot>,
    waiting: VecDeque<Request>,
    uses: u64,
    pace: Pace,
    events: Vec<Event>,
    writer: EventWriter,
}

/// One sequence of llama.cpp's cache; its number is its index.
#[derive(Default)]
struct Slot {
    cached: Vec<LlamaToken>,
    chat: Option<Chat>,
    last_used: u64,
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
        slots: u32,
        writer: EventWriter,
    ) -> Self {
        Self {
            model,
            context,
            intake,
            embedder,
            batch: LlamaBatch::new(BATCH_TOKENS as usize, 1),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            waiting: VecDeque::new(),
            uses: 0,
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
        self.waiting.is_empty() && self.embedder.is_idle() && self.slots.iter().all(|slot| slot.chat.is_none())
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
        for slot in &mut self.slots {
            if let Some(chat) = slot.chat.take_if(|chat| chat.id == id) {
                chat.finish(FinishReason::Cancelled, &mut self.events);
            }
        }
    }

    /// Gives slots to waiting requests, first come, first served.
    fn admit(&mut self) {
        while let Some(request) = self.waiting.pop_front() {
            let candidates: Vec<_> = self.slots.iter().map(Slot::candidate).collect();
            let Some(placement) = slots::place(&request.tokens, &candidates) else {
                self.waiting.push_front(request);
                return;
            };
            let reused = self.reuse(placement.source, placement.slot, placement.reused);
            self.uses += 1;
            let slot = &mut self.slots[placement.slot];
            slot.cached = request.tokens[..reused].to_vec();
            slot.last_used = self.uses;
            slot.chat = Some(Chat::start(request, reused, self.model.n_vocab(), self.intake.context_length()));
        }
    }

    /// Makes `slot`'s sequence the first `len` tokens of `source`'s. Returns how many it has in the end:
    /// recurrent models cannot go back within a sequence, and start anew.
    fn reuse(&mut self, source: usize, slot: usize, len: usize) -> usize {
        let (from, to) = (source as i32, slot as i32);
        let end = Some(len as u32);
        let whole = self.slots[source].cached.len() == len;
        let reused = if source == slot {
            whole || self.context.kv_cache_seq_rm(to, end, None).is_ok()
        } else {
            let cleared = self.context.kv_cache_seq_rm(to, None, None).is_ok();
            let can_share = whole || !(self.model.is_recurrent() || self.model.is_hybrid());
            // Between the cells of two chats llama.cpp copies all or nothing.
            len > 0
                && cleared
                && can_share
                && self.context.kv_cache_seq_cp(from, to, None, None).is_ok()
                && self.context.kv_cache_seq_rm(to, end, None).is_ok()
        };
        if reused {
            return len;
        }
        // Removing a whole sequence always succeeds.
        let _ = self.context.kv_cache_seq_rm(to, None, None);
        0
    }

    fn step(&mut self) {
        let shares = self.fill_batch();
        if shares.is_empty() {
            return;
        }
        let started = Instant::now();
        if let Err(error) = self.context.decode(&mut self.batch) {
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
            let slot = &self.slots[share.slot];
            let Some(chat) = &slot.chat else { continue };
            for (offset, &token) in chat.pending[..share.tokens].iter().enumerate() {
                let position = (slot.cached.len() + offset) as i32;
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
        let mut order: Vec<(bool, Instant, usize)> = (self.slots.iter().enumerate())
            .filter_map(|(index, slot)| slot.chat.as_ref().map(|chat| (!chat.is_decoding(), chat.arrived(), index)))
            .collect();
        order.sort_unstable();

        let decoding = order.iter().filter(|(prefilling, ..)| !prefilling).count();
        let mut room = (decoding + self.pace.prompt_tokens()).min(BATCH_TOKENS as usize);
        let mut shares = Vec::with_capacity(order.len());
        for (_, _, slot) in order {
            let pending = self.slots[slot].chat.as_ref().map_or(0, |chat| chat.pending.len());
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
        let slot = &mut self.slots[share.slot];
        let Some(chat) = &mut slot.chat else { return };
        slot.cached.extend(chat.pending.drain(..share.tokens));
        let Some(output) = share.output else { return };
        let token = match chat.sampler.sample(&self.context, output) {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "an answer cannot be held to its grammar");
                let message = "The answer cannot be held to its schema. Simplify the schema.".to_owned();
                self.events.push(Event::Error { id: chat.id.clone(), code: ErrorCode::Internal, message });
                slot.chat = None;
                return;
            }
        };
        let alternatives = chat.logprobs.map(|count| count as usize);
        let logprob =
            alternatives.map(|count| logprob(token, self.context.get_logits_ith(output), count, &self.model.vocab()));
        if let Some(reason) = chat.accept(token, logprob, self.model, &mut self.events)
            && let Some(chat) = slot.chat.take()
        {
            chat.finish(reason, &mut self.events);
        }
    }

    /// Ends every chat with an error and empties the cache, of which nothing is known any more.
    fn fail_all(&mut self) {
        self.context.clear_kv_cache();
        for slot in &mut self.slots {
            slot.cached.clear();
            if let Some(chat) = slot.chat.take() {
                let message = "The engine could not compute this answer. Try again.".to_owned();
                self.events.push(Event::Error { id: chat.id, code: ErrorCode::Internal, message });
            }
        }
    }
}

impl Slot {
    fn candidate(&self) -> Candidate<'_, LlamaToken> {
        Candidate { cached: &self.cached, idle: self.chat.is_none(), last_used: self.last_used }
    }
}
