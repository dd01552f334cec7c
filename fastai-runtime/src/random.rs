//! The one seed's named random streams.
