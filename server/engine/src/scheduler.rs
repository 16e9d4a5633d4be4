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
use crate::share::{self, Share};

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
    /// Tokens that are guessed at most.
    guess_tokens: u32,
    events: Vec<Event>,
    writer: EventWriter,
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
            guess_tokens: options.guess_tokens,
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
            let chat = Chat::start(
                request,
                place.reused,
                self.model.n_vocab(),
                self.intake.context_length(),
                self.guess_tokens,
            );
            self.chats[place.slot] = Some(chat);
        }
    }

    fn step(&mut self) {
        let mut shares = share::divide(&self.chats, self.pace.prompt_tokens());
        if shares.is_empty() {
            return;
        }
        share::guess(&mut shares, &mut self.chats, &self.cache);
        share::fill(&mut self.batch, &mut shares, &self.chats, &self.cache);
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

    /// Accounts for what was computed, and samples the next token; and the one after it, as long as it was guessed right.
    ///
    /// Each is chosen from the same probabilities and with the same draws as it would be alone.
    fn finish_share(&mut self, share: &Share) {
        let slot = &mut self.chats[share.slot];
        let Some(chat) = slot else { return };
        self.cache.extend(share.slot, chat.pending.drain(..share.tokens));
        let Some(output) = share.output else { return };
        let mut right = 0;
        let ended = loop {
            let context = self.cache.context();
            let output = output + right as i32;
            let token = match chat.sampler.sample(context, output) {
                Ok(token) => token,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "an answer cannot be held to its grammar");
                    let message = "The answer cannot be held to its schema. Simplify the schema.".to_owned();
                    self.events.push(Event::Error { id: chat.id.clone(), code: ErrorCode::Internal, message });
                    *slot = None;
                    break None;
                }
            };
            let alternatives = chat.logprobs.map(|count| count as usize);
            let logprob =
                alternatives.map(|count| logprob(token, context.get_logits_ith(output), count, &self.model.vocab()));
            let ended = chat.accept(token, logprob, self.model, &mut self.events);
            if ended.is_some() || share.guess.get(right) != Some(&token) {
                break ended;
            }
            self.cache.extend(share.slot, chat.pending.drain(..));
            right += 1;
        };
        if let Some(chat) = slot {
            chat.learn(share.guess.len(), right);
        }
        if let Some(reason) = ended
            && let Some(chat) = slot.take()
        {
            chat.finish(reason, &mut self.events);
        }
        if right < share.guess.len() && !self.cache.cut_rest(share.slot) {
            tracing::error!("llama.cpp could not remove what was guessed wrong");
            self.fail_all();
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
