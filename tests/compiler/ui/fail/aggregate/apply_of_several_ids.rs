use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "username-changed", version = 1)]
struct UsernameChanged {
    #[id(Username)]
    old: String,
    #[id(Username)]
    new: String,
}

#[derive(Default)]
struct Username {
    is_taken: bool,
}

#[aggregate(id = String)]
impl Username {
    #[apply]
    fn changed(&mut self, event: &UsernameChanged) {
        self.is_taken = !event.new.is_empty();
    }
}

fn main() {}
