/* Who reads, and who writes without our lock. Included by commit.pml. */

/* A snapshot, as weir, hudi-rs and Spark take it: the timeline, then the data files. In most worlds
 * without anything in between, which makes them smaller; a writer's own snapshot is always in two. */
#ifdef SLOW_READER
#define THEN }; d_step {
#else
#define THEN
#endif

proctype Reader() {
  short done, pending, later;
  byte expected[2];
  bool is_there[2];
end:
  do
  :: d_step {
       load_timeline(done, pending, later);
       pending = pending | later; later = 0;
       expected[0] = true_applied[0]; expected[1] = true_applied[1];
       is_there[0] = true_there[0]; is_there[1] = true_there[1];
       THEN
       find_front(done);
       found = 0; g = 0;
       do
       :: g < GROUPS && done ->
         find_live(g, done, pending);
         if
         :: best ->
           hold(NoUncommittedVisible, completed[instant_of[best - 1]] == best);
           k = 0;
           do
           :: k < 2 ->
             if
             :: where_[(best - 1) * 2 + k] == g ->
               hold(NoDupKey, !(found & BIT(k)));
               found = found | BIT(k);
               hold(ConsistentRead, applied[(best - 1) * 2 + k] == expected[k])
             :: else
             fi;
             k++
           :: else -> break
           od
         :: else
         fi;
         g++
       :: else -> break
       od;
       hold(ConsistentRead, is_there[0] == (found & 1) && is_there[1] == (found >> 1));
       done = 0; pending = 0;
       expected[0] = 0; expected[1] = 0; is_there[0] = false; is_there[1] = false
     }
  od
}

#ifdef STRANGER
#define NOBODY_PUBLISHES (!(held_fast[0] & PUBLISHING) && !(held_fast[1] & PUBLISHING))

/* Spark: one commit of its own, or one EAGER roll-back of a commit of ours that is under way. That
 * it does so between a writer's last look and its put is not what weir promises to survive. */
proctype Stranger() {
  short done, pending, later;
  byte touched, t;
end:
  if
  :: d_step {
       NOBODY_PUBLISHES ->
       load_timeline(done, pending, later);
       take_state(STRANGERS, done, pending | later);
       token_of[STRANGERS] = 3;
       apply_operation(STRANGERS, 3, touched);
       top++;
       instant_of[STRANGERS] = top;
       requested = requested | BIT(top); inflight[top] = STRANGERS + 1;
       files[STRANGERS] = touched;
       appear(STRANGERS, top);
       done = 0; pending = 0; later = 0; touched = 0
     }
  :: atomic {
       NOBODY_PUBLISHES ->
       t = 2;
       do
       :: t < INSTANTS - 1 -> t++
       :: inflight[t] && !completed[t] -> break
       od;
       d_step {
         i = 0;
         do
         :: i < ALL ->
           if
           :: instant_of[i] == t -> files[i] = files[i] & ~markers[i]; markers[i] = 0
           :: else
           fi;
           i++
         :: else -> break
         od;
         inflight[t] = 0; requested = requested & ~BIT(t); t = 0
       }
     }
  fi
}
#endif
