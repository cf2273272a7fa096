use crate::module::Module;
use crate::source::Source;

/// The scope of a dispatcher: the named modules, or everything if none is named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    modules: Vec<Module>,
}

impl Scope {
    pub(crate) fn add(&mut self, module: Module) {
        self.modules.push(module);
    }

    pub(crate) fn modules(&self) -> &[Module] {
        &self.modules
    }

    pub(crate) fn includes(&self, source: Source) -> bool {
        self.modules.is_empty() || self.modules.iter().any(|it| source.is_within(it.path()))
    }
}
