use std::future::ready;
use std::pin::pin;

use axum::Router;
use cqrs_core::{Actor, Dispatcher};
use cqrs_http::Options;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::args::ServeArgs;
use crate::error::CliError;
use crate::out::{print_json_line, print_line};
use crate::shutdown::{GRACE, close};
use crate::signal::Signal;

/// Serves a program over HTTP, until the program is told to stop. Whoever sends a request is this actor.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    serve: &ServeArgs,
    actor: Actor,
    as_json: bool,
) -> Result<(), CliError> {
    let listener = TcpListener::bind(serve.listen).await?;
    let address = listener.local_addr()?;
    let options = Options::new().actor(move |_| Ok(Some(actor.clone())));
    let routes: Router = options.router(dispatcher.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, routes).with_graceful_shutdown(async {
        // An error means that nobody will tell it to stop, which is a reason to stop, too.
        let _ = stopped.await;
    });
    let mut signaled = pin!(Signal::received());
    tokio::select! {
        // First, so that the signal is caught before anybody knows that the program is there.
        biased;
        signal = &mut signaled => return Ok(signal.map(drop)?),
        () = ready(()) => {}
    }
    if as_json {
        print_json_line(&json!({"listening": format!("http://{address}")}))?;
    } else {
        print_line(format_args!("listening on http://{address}"))?;
    }
    let stopping = async {
        let signal = signaled.await;
        // Whoever watches a query is told by the dispatcher, and would be waited for otherwise.
        drop(stop);
        close(dispatcher).await;
        signal
    };
    let mut server = Box::pin(server.into_future());
    let signal = tokio::select! {
        ended = &mut server => return Ok(ended?),
        signal = stopping => signal,
    };
    // A client that does not read its answer is not waited for any longer.
    let _ = timeout(GRACE, server).await;
    Ok(signal.map(drop)?)
}
