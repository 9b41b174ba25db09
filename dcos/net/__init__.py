"""DC/OS Net, on every node: the DNS forwarder on 198.51.100.1-3 and the layer 4 load balancer.

Follows the leading master's event stream. Names of this cluster are answered here or by Mesos-DNS, all others forwarded. Virtual
IPs from task labels become nftables maps in the table ``dcos_l4lb``. REST on 127.0.0.1:62080. Also the command
``dcos-net gen-resolvconf``, which points /etc/resolv.conf here, and ``dcos-net cleanup``, which removes what this service put
into the kernel. Read first: ``core/vips.py`` (labels to backends), ``core/names.py`` (which names are answered here).
"""
