use std::thread;

use tokio::sync::mpsc::Receiver;

use super::task::{Batch, Task};

/// A batch takes no more once it has this many bytes.
const BYTES: usize = 8 << 20;

/// Waits for a task, and takes those that are there or come while others get to run. It does not
/// wait for more by the clock: a lone caller is served at once, and a crowd gathers by itself
/// while the batch before is being synced.
pub(crate) fn batch(tasks: &mut Receiver<Box<dyn Task>>, most: usize) -> Option<Batch> {
    let mut batch = vec![tasks.blocking_recv()?];
    let mut bytes = batch[0].bytes();
    loop {
        let before = batch.len();
        while batch.len() < most && bytes < BYTES {
            let Ok(task) = tasks.try_recv() else { break };
            bytes += task.bytes();
            batch.push(task);
        }
        if batch.len() == before {
            return Some(batch);
        }
        thread::yield_now();
    }
}
