//! What arrives together is stored together.
//!
//! A lead or a webhook is rows in half a dozen tables. One by one, the trips to the database would be what everybody
//! waits for; so a write takes as many as have arrived while the one before it was on its way. What comes alone waits
//! for nobody.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::db::{Backend, DEADLINE, no_answer};
use crate::error::{Result, StoreError};
use crate::store::Inner;

/// How many arrivals share one write at most.
const GROUP: usize = 64;
/// How many bytes share one write at most: one arrival more may go beyond.
const GROUP_BYTES: usize = 2 << 20;
/// How many writes are on their way at once. SQLite has one writer; on PostgreSQL one waits for the disk while the other
/// computes.
const SQLITE_WRITES: usize = 1;
const POSTGRES_WRITES: usize = 2;

/// What is stored together with others of its kind.
pub(crate) trait Arrival: fmt::Debug + Send + Sync + Sized + 'static {
    /// What the caller gets once it is durable.
    type Outcome: Send + 'static;

    /// Where its kind waits.
    fn queue(inner: &Inner) -> &Arrivals<Self>;

    /// Whether it may be stored together with this one.
    fn is_like(&self, _first: &Self) -> bool {
        true
    }

    /// How many bytes it adds to a write, where they may be many.
    fn weight(&self) -> usize {
        0
    }

    /// What it is about, as hashes. Of two that share one, the second is not begun before the first is stored: they keep
    /// the order in which they came.
    fn strands(&self) -> &[u64] {
        &[]
    }

    /// Whether what came before it, of what it is about, decides what becomes of it. Then it is begun after that is stored,
    /// rather than together with it.
    fn looks_back(&self) -> bool {
        false
    }

    /// Stores a group, all or none, and gives an outcome to each, in their order.
    fn store(
        inner: &Inner,
        group: &[&Self],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>>> + Send;
}

/// Arrivals of a kind that nobody has begun to store.
#[derive(Debug)]
pub(crate) struct Arrivals<A: Arrival> {
    state: Mutex<State<A>>,
}

#[derive(Debug)]
struct State<A: Arrival> {
    waiting: VecDeque<Waiting<A>>,
    writes: usize,
    /// What the writes on their way are about.
    under_way: HashSet<u64>,
}

struct Waiting<A: Arrival> {
    arrival: A,
    reply: oneshot::Sender<Result<A::Outcome>>,
}

impl<A: Arrival> fmt::Debug for Waiting<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arrival.fmt(f)
    }
}

impl<A: Arrival> Default for Arrivals<A> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                writes: 0,
                under_way: HashSet::new(),
            }),
        }
    }
}

impl<A: Arrival> Arrivals<A> {
    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next group, or `None` at the end of the turn: nothing waits, or what comes next waits for the end of a write
    /// that is on its way.
    fn next(&self) -> Option<Group<'_, A>> {
        let mut state = self.state();
        let State {
            waiting, under_way, ..
        } = &mut *state;
        let mut group: Vec<Waiting<A>> = Vec::new();
        let mut bytes = 0;
        while group.len() < GROUP && bytes < GROUP_BYTES {
            let fits = |next: &mut Waiting<A>| {
                let first = group.first();
                let strands = next.arrival.strands();
                let is_met = |strand: &u64| {
                    let mut others = group.iter().map(|other| other.arrival.strands());
                    others.any(|strands| strands.contains(strand))
                };
                first.is_none_or(|first| next.arrival.is_like(&first.arrival))
                    && !strands.iter().any(|strand| under_way.contains(strand))
                    && !(next.arrival.looks_back() && strands.iter().any(is_met))
            };
            let Some(next) = waiting.pop_front_if(fits) else {
                break;
            };
            bytes += next.arrival.weight();
            group.push(next);
        }
        if group.is_empty() {
            return None;
        }
        let strands = group.iter().flat_map(|next| next.arrival.strands());
        let strands: Vec<u64> = strands.copied().collect();
        under_way.extend(&strands);
        Some(Group {
            queue: self,
            waiting: group,
            strands,
        })
    }
}

/// What one write stores. Others of what it is about are begun after its end, however it ends.
struct Group<'a, A: Arrival> {
    queue: &'a Arrivals<A>,
    waiting: Vec<Waiting<A>>,
    strands: Vec<u64>,
}

impl<A: Arrival> Drop for Group<'_, A> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        for strand in &self.strands {
            state.under_way.remove(strand);
        }
    }
}

/// The right to have a write on its way. It is given back however the work ends.
struct Turn<A: Arrival> {
    inner: Arc<Inner>,
    of: PhantomData<A>,
}

impl<A: Arrival> Drop for Turn<A> {
    fn drop(&mut self) {
        A::queue(&self.inner).state().writes -= 1;
        // Who came between the last look and this moment found no turn to take.
        begin::<A>(&self.inner);
    }
}

/// Stores it together with others that arrive now.
pub(crate) async fn join<A: Arrival>(inner: &Arc<Inner>, arrival: A) -> Result<A::Outcome> {
    let (reply, answer) = oneshot::channel();
    A::queue(inner)
        .state()
        .waiting
        .push_back(Waiting { arrival, reply });
    begin::<A>(inner);
    // A server that is frozen keeps the group before us as long; who has given up is not stored later.
    timeout(DEADLINE, answer)
        .await
        .map_err(|_| no_answer())?
        .map_err(|_| StoreError::internal("what arrived together was dropped"))?
}

/// Starts a task that stores what waits, unless there are enough. A task, because the caller may be dropped at any time
/// and the others wait for its write too.
fn begin<A: Arrival>(inner: &Arc<Inner>) {
    let most = match inner.db.backend {
        Backend::Sqlite(_) => SQLITE_WRITES,
        Backend::Postgres(_) => POSTGRES_WRITES,
    };
    {
        let mut state = A::queue(inner).state();
        if state.waiting.is_empty() || state.writes >= most {
            return;
        }
        state.writes += 1;
    }
    let turn = Turn::<A> {
        inner: Arc::clone(inner),
        of: PhantomData,
    };
    tokio::spawn(async move {
        while let Some(mut group) = A::queue(&turn.inner).next() {
            let waiting = std::mem::take(&mut group.waiting);
            store(&turn.inner, waiting).await;
        }
    });
}

async fn store<A: Arrival>(inner: &Inner, mut group: Vec<Waiting<A>>) {
    group.retain(|waiting| !waiting.reply.is_closed());
    match attempt(inner, &group).await {
        // One of them cannot be stored; nothing was. The others shall not suffer for it.
        Err(error) if group.len() > 1 && !error.is_temporary() => {
            for waiting in group {
                let alone = vec![waiting];
                let outcome = attempt(inner, &alone).await;
                answer(alone, outcome);
            }
        }
        outcome => answer(group, outcome),
    }
}

async fn attempt<A: Arrival>(inner: &Inner, group: &[Waiting<A>]) -> Result<Vec<A::Outcome>> {
    if group.is_empty() {
        return Ok(Vec::new());
    }
    let arrivals: Vec<&A> = group.iter().map(|waiting| &waiting.arrival).collect();
    A::store(inner, &arrivals).await
}

/// Tells all callers. One may have gone away; what it brought is durable all the same.
fn answer<A: Arrival>(group: Vec<Waiting<A>>, outcome: Result<Vec<A::Outcome>>) {
    match outcome {
        Ok(outcomes) => {
            for (waiting, outcome) in group.into_iter().zip(outcomes) {
                let _ = waiting.reply.send(Ok(outcome));
            }
        }
        Err(error) => {
            for waiting in group {
                let _ = waiting.reply.send(Err(error.repeat()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number, and what it is about. Even numbers look back.
    #[derive(Debug)]
    struct Change(u8, Vec<u64>);

    impl Arrival for Change {
        type Outcome = ();

        fn queue(_: &Inner) -> &Arrivals<Self> {
            unreachable!("the queue is the test's own")
        }

        fn strands(&self) -> &[u64] {
            &self.1
        }

        fn looks_back(&self) -> bool {
            self.0.is_multiple_of(2)
        }

        async fn store(_: &Inner, _: &[&Self]) -> Result<Vec<()>> {
            unreachable!("nothing is stored")
        }
    }

    fn arrive(queue: &Arrivals<Change>, number: u8, strands: &[u64]) {
        let arrival = Change(number, strands.to_vec());
        let (reply, _) = oneshot::channel();
        let waiting = Waiting { arrival, reply };
        queue.state().waiting.push_back(waiting);
    }

    fn numbers(group: &Group<'_, Change>) -> Vec<u8> {
        let waiting = group.waiting.iter();
        waiting.map(|waiting| waiting.arrival.0).collect()
    }

    #[test]
    fn what_is_about_the_same_is_written_in_the_order_of_arrival() {
        let queue = Arrivals::default();
        arrive(&queue, 1, &[7, 8]);
        arrive(&queue, 3, &[7]);
        let first = queue.next().unwrap();
        assert_eq!(numbers(&first), [1, 3]);
        for (number, strand) in [(5, 9), (7, 8), (9, 10)] {
            arrive(&queue, number, &[strand]);
        }
        // The second write takes what has nothing to do with the first, and nobody overtakes who waits for that.
        let second = queue.next().unwrap();
        assert_eq!(numbers(&second), [5]);
        assert!(queue.next().is_none());
        drop(first);
        assert_eq!(numbers(&queue.next().unwrap()), [7, 9]);
        assert!(queue.state().under_way.contains(&9));
        drop(second);
        assert!(queue.state().under_way.is_empty());
    }

    #[test]
    fn what_looks_back_is_written_after_what_it_looks_at() {
        let queue = Arrivals::default();
        for (number, strand) in [(2, 7), (1, 8), (4, 9), (6, 8), (3, 7)] {
            arrive(&queue, number, &[strand]);
        }
        let first = queue.next().unwrap();
        assert_eq!(numbers(&first), [2, 1, 4]);
        assert!(queue.next().is_none());
        drop(first);
        assert_eq!(numbers(&queue.next().unwrap()), [6, 3]);
    }
}
