use std::sync::Arc;

use tokio::sync::Barrier;

/// Runs this many tasks, released at once, and collects their results in order.
pub async fn race<T, F>(tasks: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(tasks));
    let racers: Vec<_> = (0..tasks)
        .map(|number| {
            let (start, task) = (start.clone(), task(number));
            tokio::spawn(async move {
                start.wait().await;
                task.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(tasks);
    for racer in racers {
        results.push(racer.await.expect("a racer does not panic"));
    }
    results
}
