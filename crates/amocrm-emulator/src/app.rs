//! What every handler can reach: the world, the clock and the machinery around them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::chats;
use crate::clock::Clock;
use crate::config::{Config, OauthRules};
use crate::delivery::Deliveries;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::limits::Limiter;
use crate::oauth::{OauthState, Registration};
use crate::persistence::Progress;
use crate::seed;
use crate::world::World;

/// The running emulator, shared by all handlers and tasks. A cheap clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    config: Config,
    clock: Clock,
    world: Mutex<World>,
    rules: Mutex<OauthRules>,
    limiter: Limiter,
    journal: Journal,
    faults: Faults,
    deliveries: Deliveries,
    progress: Progress,
    /// What a reset goes back to.
    start: Mutex<Start>,
}

/// What is remembered of the start: the credentials given out then stay good after a reset.
#[derive(Default)]
struct Start {
    clock_offset_ms: i64,
    oauth: OauthState,
}

impl App {
    /// An emulator over a world that was seeded or loaded.
    pub(crate) fn new(config: Config, clock: Clock, world: World) -> Self {
        let inner = Inner {
            clock,
            world: Mutex::new(world),
            rules: Mutex::new(config.oauth.clone()),
            limiter: Limiter::new(config.limits.clone()),
            journal: Journal::start(),
            faults: Faults::default(),
            deliveries: Deliveries::default(),
            progress: Progress::default(),
            start: Mutex::default(),
            config,
        };
        let app = Self(Arc::new(inner));
        app.with_world(|world| {
            app.0.config.prepare(world);
            Registration::of(&app.0.config).apply(world);
        });
        app.register_channels();
        app
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.0.deliveries
    }

    /// Works on the world. The lock is held meanwhile, so the closure does no I/O.
    pub(crate) fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        // A handler that panicked has been answered 500; the world it leaves is still the only one there is.
        work(&mut self.0.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How the authorization server behaves where amoCRM's documentation leaves room.
    pub(crate) fn oauth_rules(&self) -> OauthRules {
        self.0
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_oauth_rules(&self, rules: OauthRules) {
        *self.0.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Says that the state file is out of date.
    pub(crate) fn mark_changed(&self) {
        self.0.progress.mark_changed();
    }

    /// Waits until the state file, if there is one, holds everything that has happened so far.
    pub(crate) async fn saved(&self) {
        if self.0.config.state.is_some() {
            self.0.progress.saved().await;
        }
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// Turns what happened in the CRM into webhook deliveries.
    pub(crate) fn deliver_events(&self) {
        let planned = self.with_world(|world| {
            let events = std::mem::take(&mut world.events);
            crate::delivery::plan(world, &events)
        });
        if !planned.is_empty() {
            self.deliveries()
                .submit(planned, self.clock().now_ms(), self.faults());
        }
    }

    fn register_channels(&self) {
        for channel in self.config().channels.clone() {
            chats::register(self, channel);
        }
    }

    /// Remembers this moment for [`App::reset`].
    pub(crate) fn remember_start(&self) {
        let oauth = self.with_world(|world| world.oauth.clone());
        let start = Start {
            clock_offset_ms: self.clock().offset_ms(),
            oauth,
        };
        *self.0.start.lock().unwrap_or_else(PoisonError::into_inner) = start;
    }

    /// Starts over: the seed, the credentials, clock, limits and rules of the start; no faults, no journal, no blocks.
    pub(crate) fn reset(&self) {
        let (offset_ms, oauth) = {
            let start = self.0.start.lock().unwrap_or_else(PoisonError::into_inner);
            (start.clock_offset_ms, start.oauth.clone())
        };
        self.clock().set_offset_ms(offset_ms);
        let mut fresh = seed::world(self.config().seed, self.clock().now());
        fresh.oauth = oauth;
        self.config().prepare(&mut fresh);
        Registration::of(self.config()).apply(&mut fresh);
        self.with_world(|world| *world = fresh);
        self.register_channels();
        self.faults().clear();
        self.journal().clear();
        self.limiter().clear();
        self.limiter().set(self.config().limits.clone());
        self.set_oauth_rules(self.config().oauth.clone());
        self.deliveries().clear();
        self.mark_changed();
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
