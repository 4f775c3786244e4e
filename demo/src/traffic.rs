//! What reached amoCRM from lead-intake, by the emulator's journal.

use std::collections::VecDeque;

use amocrm_emulator::{Emulator, JournalEntry};

/// The wire, from a moment on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(u64);

/// What one integration sent since a mark.
#[derive(Debug)]
pub(crate) struct Traffic {
    entries: Vec<JournalEntry>,
}

impl Mark {
    /// From now on.
    pub(crate) fn now(emulator: &Emulator) -> Self {
        Self(emulator.requests().last().map_or(0, |entry| entry.seq))
    }

    /// What lead-intake's integration sent since; the consent page is the browser's.
    pub(crate) fn since(self, emulator: &Emulator) -> Traffic {
        let client_id = emulator.credentials().client_id.as_str();
        let mut entries = emulator.requests();
        entries.retain(|entry| {
            entry.seq > self.0
                && entry.client_id.as_deref() == Some(client_id)
                && entry.path != "/oauth"
        });
        Traffic { entries }
    }
}

impl Traffic {
    pub(crate) fn requests(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn answered(&self, status: u16) -> usize {
        self.count(|entry| entry.status == Some(status))
    }

    /// Successful calls of the token endpoint with this grant.
    pub(crate) fn grants(&self, grant: &str) -> usize {
        self.count(|entry| entry.grant_type.as_deref() == Some(grant) && entry.status == Some(200))
    }

    /// Calls of the token endpoint with this grant, whatever was answered.
    pub(crate) fn grant_attempts(&self, grant: &str) -> usize {
        self.count(|entry| entry.grant_type.as_deref() == Some(grant))
    }

    /// The most requests within any second.
    pub(crate) fn peak_per_second(&self) -> usize {
        let mut window: VecDeque<f64> = VecDeque::new();
        let mut peak = 0;
        for entry in &self.entries {
            while window
                .front()
                .is_some_and(|first| entry.arrival_ms - first >= 1000.0)
            {
                window.pop_front();
            }
            window.push_back(entry.arrival_ms);
            peak = peak.max(window.len());
        }
        peak
    }

    /// Seconds between the first arrival and the last.
    pub(crate) fn seconds(&self) -> f64 {
        match (self.entries.first(), self.entries.last()) {
            (Some(first), Some(last)) => (last.arrival_ms - first.arrival_ms) / 1000.0,
            _ => 0.0,
        }
    }

    fn count(&self, holds: impl Fn(&JournalEntry) -> bool) -> usize {
        self.entries.iter().filter(|entry| holds(entry)).count()
    }
}
