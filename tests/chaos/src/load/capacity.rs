//! What a machine carries: how much is answered in a second when everybody asks again as soon as there is an answer.

use super::client::{Pool, Proxies};
use super::mix::Mix;
use crate::history::Clock;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Clients that ask one after the other: enough that none of the workers of three Envoys is ever idle, too few for the
/// bridges to shed anything.
const CLIENTS: usize = 48;
/// Connections open, caches fill.
const WARM: Duration = Duration::from_secs(2);
/// What is counted.
const COUNTED: Duration = Duration::from_secs(3);

/// Requests that `proxies` decide in a second, drawn from `mix`. What they cannot decide does not count.
pub(super) async fn measure(clock: Clock, proxies: &Proxies, mix: Mix) -> u64 {
    let pool = Pool::new(clock, proxies);
    let (mix, decided, over) = (
        Rc::new(RefCell::new(mix)),
        Rc::new(Cell::new(0_u64)),
        Rc::new(Cell::new(false)),
    );
    for client in 0..CLIENTS {
        let (pool, mix) = (pool.clone(), Rc::clone(&mix));
        let (decided, over) = (Rc::clone(&decided), Rc::clone(&over));
        tokio::task::spawn_local(async move {
            while !over.get() {
                let (asked, request) = mix.borrow_mut().draw();
                let record = pool.send(client, asked, request, clock.ns()).await;
                if matches!(record.status(), 1..500) {
                    decided.set(decided.get() + 1);
                }
            }
        });
    }
    tokio::time::sleep(WARM).await;
    let before = decided.get();
    tokio::time::sleep(COUNTED).await;
    over.set(true);
    (decided.get() - before) / COUNTED.as_secs()
}
