# network/encoding's order for Cap'n Proto.
@0xb2a4f6d1c3e58797;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("headroom::cp");

struct Line {
  price @0 :Float64;
  product @1 :UInt32;
  quantity @2 :UInt32;
}

struct Order {
  id @0 :UInt64;
  timeNs @1 :Int64;
  customer @2 :UInt32;
  clockOffsetUs @3 :Int32;
  discount @4 :Float64;
  hasDiscount @5 :Bool;
  status @6 :UInt8;
  note @7 :Text;
  lines @8 :List(Line);
}
