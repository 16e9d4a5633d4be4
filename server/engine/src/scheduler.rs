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

use crate::answer::AnswerText;
use crate::chat::{Chat, Request};
use crate::model::BATCH_TOKENS;
use crate::pace::Pace;
use crate::process::{EventWriter, Received};
use crate::prompt::{PromptEncoder, PromptError};
use crate::protocol::{Command, ErrorCode, Event, FinishReason, Piece, Prompt, Sampling};
use crate::sampling;
use crate::slots::{self, Candidate};

/// Owns the llama.cpp context and everything that is being generated in it.
pub struct Scheduler<'model> {
    model: &'model LlamaModel,
    context: LlamaContext<'model>,
    encoder: PromptEncoder,
    /// Tokens that one chat may hold.
    context_length: u32,
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
        encoder: PromptEncoder,
        slots: u32,
        context_length: u32,
        writer: EventWriter,
    ) -> Self {
        Self {
            model,
            context,
            encoder,
            context_length,
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
            self.writer.write(self.events.drain(..));
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.slots.iter().all(|slot| slot.chat.is_none())
    }

    fn handle(&mut self, received: Received) {
        match received.command {
            Ok(Command::Generate { id, prompt, answer_so_far, params }) => {
                self.enqueue(id, &prompt, &answer_so_far, params, received.arrived);
            }
            Ok(Command::Count { id, prompt }) => {
                let event = match self.encoder.encode(&prompt, &self.model.vocab()) {
                    Ok(tokens) => Event::Counted { id, tokens: tokens.len() as u32 },
                    Err(error) => refused(id, &error),
                };
                self.events.push(event);
            }
            Ok(Command::Cancel { id }) => self.cancel(&id),
            Ok(Command::Load { id, .. }) => {
                let message = "This engine has loaded a model already. Start another engine for another model.";
                self.events.push(Event::invalid(id, message.to_owned()));
            }
            Err(event) => self.events.push(event),
        }
    }

    fn enqueue(&mut self, id: String, prompt: &Prompt, so_far: &Piece, params: Sampling, arrived: Instant) {
        if let Err(message) = sampling::check(&params) {
            self.events.push(Event::invalid(id, message));
            return;
        }
        let vocab = self.model.vocab();
        let mut tokens = match self.encoder.encode(prompt, &vocab) {
            Ok(tokens) => tokens,
            Err(error) => return self.events.push(refused(id, &error)),
        };
        let prompt_tokens = tokens.len();
        if prompt_tokens >= self.context_length as usize {
            let message = format!(
                "The prompt has {prompt_tokens} tokens and the context holds {}, answer included. Shorten the prompt.",
                self.context_length
            );
            self.events.push(Event::Error { id, code: ErrorCode::ContextLengthExceeded, message });
            return;
        }
        let room = self.context_length - prompt_tokens as u32;
        let mut text = AnswerText::new(params.stop.clone(), params.max_tokens.map_or(room, |max| max.min(room)));
        let (rest, ended) = match text.replay(so_far, &vocab) {
            Ok(replayed) => replayed,
            Err(error) => return self.events.push(Event::invalid(id, error.to_string())),
        };
        if !rest.is_empty() {
            self.events.push(Event::Text { id: id.clone(), text: rest, tokens: Vec::new() });
        }
        tokens.extend(so_far.tokens.iter().copied().map(LlamaToken));
        let request = Request { id, tokens, prompt_tokens, text, params, arrived };
        match ended {
            Some(reason) => self.events.push(request.end(reason)),
            None => self.waiting.push_back(request),
        }
    }

    fn cancel(&mut self, id: &str) {
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
            slot.chat = Some(Chat::start(request, reused, self.model.n_vocab(), self.context_length));
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
        let token = chat.sampler.sample(&self.context, output);
        if let Some(reason) = chat.accept(token, self.model, &mut self.events)
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

fn refused(id: String, error: &PromptError) -> Event {
    Event::invalid(id, error.to_string())
}
