//! Starts the shared server for the test that its argument names, prints its URL and its directory,
//! and waits to be killed or for the end of its standard input.

use std::io::Read;

use test_postgres::Server;

fn main() {
    let test = std::env::args().nth(1).expect("a test's name");
    let Some(server) = Server::shared(&test) else {
        return;
    };
    println!("{}", server.url());
    if let Some(directory) = server.directory() {
        println!("{}", directory.display());
    }
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .expect("standard input can be read");
}
