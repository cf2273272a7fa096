//! Networks that can be cut.
//!
//! Proxies in this process rather than namespaces and rules of the kernel's: they need no root, so the tests run
//! wherever PostgreSQL does. What they cannot do is lose packets one by one; a cut holds everything back, as a
//! network does that loses all of them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A port that leads to another one, until it is cut. Accepts nothing more when dropped; what is open ends with either
/// side.
pub(crate) struct Wire {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    condition: Mutex<Condition>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Condition {
    #[default]
    Whole,
    Cut,
    Ended,
}

impl Wire {
    /// One to this port.
    pub(crate) fn new(to: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::<State>::default();
        thread::spawn({
            let state = state.clone();
            move || accept(&listener, to, &state)
        });
        Ok(Self { port, state })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Holds back everything, in both directions, also the end of a connection: nobody learns of it.
    pub(crate) fn cut(&self) {
        self.state.change(Condition::Cut);
    }

    /// Lets everything through again, with what was held back.
    pub(crate) fn mend(&self) {
        self.state.change(Condition::Whole);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.change(Condition::Ended);
        // The one that accepts finds out by it. Without one, it has ended before.
        let _ = TcpStream::connect(local(self.port));
    }
}

impl State {
    fn change(&self, condition: Condition) {
        *self.condition() = condition;
        self.changed.notify_all();
    }

    /// Waits until it is not cut. Returns whether it has not ended.
    fn wait_until_whole(&self) -> bool {
        let mut condition = self.condition();
        while *condition == Condition::Cut {
            let waited = self.changed.wait(condition);
            condition = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *condition == Condition::Whole
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn accept(listener: &TcpListener, to: u16, state: &Arc<State>) {
    for client in listener.incoming().map_while(Result::ok) {
        if *state.condition() == Condition::Ended {
            return;
        }
        let state = state.clone();
        // An error is the end of one side, which the other one learns of.
        thread::spawn(move || carry(&client, to, &state));
    }
}

/// Carries what two sides send each other until one of them ends.
fn carry(client: &TcpStream, to: u16, state: &Arc<State>) -> io::Result<()> {
    if !state.wait_until_whole() {
        return Ok(());
    }
    let server = TcpStream::connect(local(to))?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let up = (client.try_clone()?, server.try_clone()?);
    let other = thread::spawn({
        let state = state.clone();
        move || forward(&up.0, &up.1, &state)
    });
    forward(&server, client, state);
    // It has ended with the streams.
    let _ = other.join();
    Ok(())
}

fn forward(mut from: &TcpStream, mut to: &TcpStream, state: &State) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        let is_whole = state.wait_until_whole();
        if read == 0 || !is_whole || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // What is closed already is not an error.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wire_that_is_cut_holds_everything_back() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let server = listener.local_addr().expect("it is bound").port();
        let echoes = thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let stream = stream.expect("it is accepted");
                thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        let wire = Wire::new(server).expect("a port is free");
        let mut first = TcpStream::connect(local(wire.port())).expect("it listens");
        let mut answer = [0; 2];
        first.write_all(b"ab").expect("it is sent");
        first.read_exact(&mut answer).expect("it is answered");
        wire.cut();
        let mut second = TcpStream::connect(local(wire.port())).expect("it listens");
        for stream in [&mut first, &mut second] {
            stream.write_all(b"cd").expect("it is sent");
            let short = Some(Duration::from_millis(100));
            stream.set_read_timeout(short).expect("it can be set");
            let held = stream.read(&mut answer).expect_err("it is held back");
            let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
            assert!(kinds.contains(&held.kind()), "{held}");
            stream.set_read_timeout(None).expect("it can be set");
        }
        wire.mend();
        for stream in [&mut first, &mut second] {
            stream.read_exact(&mut answer).expect("it is answered");
            assert_eq!(&answer, b"cd");
        }
        echoes.join().expect("two were accepted");
    }
}
