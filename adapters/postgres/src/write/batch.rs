use tokio::sync::mpsc::Receiver;
use tokio::task::yield_now;

use super::request::Request;

/// A batch takes no more once it has this many bytes.
const BYTES: usize = 8 << 20;

/// Waits for a request, and takes those that are there or come while others get to run. It does
/// not wait for more by the clock: a lone caller is served at once, and a crowd gathers by itself
/// while the batch before is being written.
pub(super) async fn drain(requests: &mut Receiver<Request>, most: usize) -> Option<Vec<Request>> {
    let mut batch = vec![requests.recv().await?];
    let mut bytes = batch[0].bytes;
    loop {
        let before = batch.len();
        while batch.len() < most && bytes < BYTES {
            let Ok(request) = requests.try_recv() else {
                break;
            };
            bytes += request.bytes;
            batch.push(request);
        }
        if batch.len() == before {
            return Some(batch);
        }
        yield_now().await;
    }
}
