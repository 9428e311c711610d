pub mod types; mod foreign; pub mod status; pub mod version; pub mod lifecycle; pub mod pull; pub mod fd; pub mod timer; pub mod post; pub mod signal; pub mod child; pub mod work; pub mod resolve;
