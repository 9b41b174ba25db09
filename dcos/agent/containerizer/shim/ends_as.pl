#!/usr/bin/perl
# Waits for a process, then ends as that did: with its exit status, or by the signal that ended it.
#
#   ends_as.pl PID            a child that we have already, or will be given (we adopt those whose parents are gone)
#   ends_as.pl run WORDS...   a child that we start; what is typed at a terminal reaches us too, and is not for us
#
# It stays as long as the other does. No module is loaded: half a megabyte of its own.
my $pid = shift;
if ($pid eq 'run') {
    $SIG{$_} = 'IGNORE' for qw(INT QUIT);
    $SIG{$_} = 'DEFAULT' for qw(HUP TERM PIPE);
    defined($pid = fork) or exit 125;
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(INT QUIT);
        exec { $ARGV[0] } @ARGV;
        print STDERR "$ARGV[0]: $!\n";
        exit 125;
    }
}
my $ended;
1 while ($ended = waitpid(-1, 0)) > 0 && $ended != $pid;
my $status = $?;
exit 125 if $ended < 0;
my $signal = $status & 127;
exit $status >> 8 unless $signal;
# a shell can forbid the core file, which would be ours and not the other's
$SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM PIPE);
exec '/bin/sh', '-c', "ulimit -c 0; kill -$signal \$\$; exit " . (128 + $signal);
