// The kernels of headroom-bench-faulty.
#include "faulty.h"

namespace headroom::faulty {
namespace {

const Registrar kSound(metadata("faulty/sound"), kPair<naive>);
const Registrar kWrongAtOneSize(metadata("faulty/wrong_at_one_size"), kPair<wrong_at_one_size>);
const Registrar kSkipsPart(metadata("faulty/skips_part"), kPair<skips_part>);
const Registrar kWrongLater(metadata("faulty/wrong_later"), kPair<wrong_later>);
const Registrar kProbeOfBytes(probe_metadata("faulty/probe"), kProbe);
const Registrar kHonest(claiming("faulty/honest", 0.5), kPair<naive>);
const Registrar kCheats(claiming("faulty/cheats", 10), kPair<naive>);
const Registrar kCrashes(metadata("faulty/crashes"), kPair<crashes>);
const Registrar kHangs(metadata("faulty/hangs"), kPair<hangs>);

}  // namespace
}  // namespace headroom::faulty
