//! What talks are told, at random.

use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;

use super::domain::{Form, Message, Script, forgotten, lost};

/// Numbers the cases, so that each has numbers of its own.
static CASES: AtomicU64 = AtomicU64::new(0);

/// More numbers than any case needs.
const NUMBERS: u64 = 1 << 32;

/// Depth from which on nothing more is told.
pub const DEPTH: u32 = 3;

/// Number of talks that are told something in a round. Few, so that they meet.
const AT_ONCE: u32 = 5;

/// Number of rounds, in each of which another talk comes, and one is left alone.
pub const ROUNDS: u32 = 12;

/// Number of all talks, from 0 on.
pub const TALKS: u32 = ROUNDS + AT_ONCE;

/// The scripts and messages of a case.
pub struct Author {
    pub random: Rng,
    /// Whether some of them cannot be followed or sent for a while.
    pub is_forgetful: bool,
    pub round: u32,
    serial: u64,
}

impl Author {
    pub fn with_seed(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        Self {
            is_forgetful: random.u8(..4) > 0,
            random,
            round: 0,
            serial: CASES.fetch_add(1, Ordering::SeqCst) * NUMBERS,
        }
    }

    fn number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Whether something is, that is once in so many times.
    fn once_in(&mut self, times: u8) -> bool {
        self.random.u8(..times) == 0
    }

    /// A script, with others in it at most this deep.
    fn script(&mut self, depth: u32) -> Script {
        let serial = self.number();
        if self.is_forgetful && self.once_in(8) {
            forgotten().insert(serial);
        }
        if depth == 0 {
            return Script {
                serial,
                ends: self.once_in(16),
                ..Script::default()
            };
        }
        let count = self.random.usize(..3);
        Script {
            serial,
            tells: (0..count).map(|_| self.reply(depth - 1)).collect(),
            cancels: self.once_in(4),
            rings: self.random.bool().then(|| {
                let after = [0, 1, 20, 3_600_000][self.random.usize(..4)];
                (after, Box::new(self.script(depth - 1)))
            }),
            moves: self
                .once_in(4)
                .then(|| [0, 15, 7_200_000][self.random.usize(..3)]),
            ends: self.once_in(24),
        }
    }

    /// What a talk says to itself or others.
    fn reply(&mut self, depth: u32) -> Message {
        let is_refused = self.once_in(3);
        let message = self.message(depth);
        if self.is_forgetful && self.once_in(8) {
            lost().insert(message.serial);
        }
        Message {
            is_refused,
            ..message
        }
    }

    pub fn message(&mut self, depth: u32) -> Message {
        let (form, count) = match self.random.u8(..4) {
            0 | 1 => (Form::Told, 1),
            2 => (Form::Gathered, self.random.usize(..5)),
            _ => (Form::Met, self.random.usize(1..4)),
        };
        let talks = self.round..self.round + AT_ONCE;
        let to = (0..count).map(|_| self.random.u32(talks.clone()));
        let to = to.collect();
        self.message_to(form, to, depth)
    }

    pub fn message_to(&mut self, form: Form, to: Vec<u32>, depth: u32) -> Message {
        let serial = self.number();
        // One at least, for a refusal.
        let scripts = (0..to.len().max(1)).map(|_| self.script(depth)).collect();
        Message {
            serial,
            form,
            to,
            is_refused: false,
            scripts,
        }
    }

    /// Has everything work from now on.
    pub fn remember_all(&mut self) {
        self.is_forgetful = false;
        let first = self.serial - self.serial % NUMBERS;
        for all in [&mut *forgotten(), &mut *lost()] {
            all.retain(|serial| !(first..first + NUMBERS).contains(serial));
        }
    }

    /// Has one thing work from now on.
    pub fn remember_one(&mut self) {
        let first = self.serial - self.serial % NUMBERS;
        for all in [&mut *forgotten(), &mut *lost()] {
            let own = all.range(first..first + NUMBERS);
            if let Some(one) = self.random.choice(own.copied().collect::<Vec<_>>()) {
                all.remove(&one);
            }
        }
    }
}
