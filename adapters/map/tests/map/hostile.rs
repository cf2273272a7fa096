//! Names and documentation that are markup in every format.

use cqrs_core::prelude::*;

#[doc = "</script><script>document.title = 'broken'</script><img src=x onerror=\"document.title = 'broken'\">"]
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(permission = "\"><script>document.title = 'broken'</script>")]
pub struct Attack {
    /// `</code><svg onload="document.title = 'broken'">` ]]> --> </title></style>
    #[id(Victim)]
    pub victim: u32,
}

#[doc = "\"]; evil [label=\"x\" URL=\"javascript:alert(1)\"] \\N \\"]
#[derive(Event, Serialize, Deserialize)]
#[event(name = "it\"]:::x;click n0 `<b onclick='1'>&amp;` %% \\", version = 1)]
pub struct Attacked {
    #[id(Victim)]
    pub victim: u32,
}

#[derive(Default)]
pub struct Victim;

#[aggregate(id = u32)]
impl Victim {
    #[apply]
    fn attacked(&mut self, _: &Attacked) {}
}

#[command_handler]
fn attack(Attack { victim }: Attack, _: &Victim) -> Attacked {
    Attacked { victim }
}
