use std::fmt;
use std::str::FromStr;

/// How a neighbour is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing of ours is called.
    Without,
    /// Its threads run tasks, and nobody asks.
    Idle,
    /// A thread of it is asked once, and stays so.
    Asked,
    /// A thread of it is asked every millisecond, and takes it.
    Storm,
}

impl Mode {
    pub const ALL: [Self; 4] = [Self::Without, Self::Idle, Self::Asked, Self::Storm];

    pub fn name(self) -> &'static str {
        match self {
            Self::Without => "without",
            Self::Idle => "idle",
            Self::Asked => "asked",
            Self::Storm => "storm",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| format!("no such mode: {name}"))
    }
}
