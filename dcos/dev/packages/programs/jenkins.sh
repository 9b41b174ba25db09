java=$(find_one java)
war=
for one in "$MESOS_SANDBOX"/*.war /usr/share/jenkins/jenkins.war /usr/share/java/jenkins.war; do
    [ ! -f "$one" ] || { war=$one; break; }
done
[ -n "$war" ] || fail "no jenkins.war is here; set software.image or software.artifact"
JENKINS_HOME=$data
export JENKINS_HOME
mkdir -p "$data/init.groovy.d"
JENKINS_ADMIN_PASSWORD=$(password_or_own "$JENKINS_PASSWORD")
export JENKINS_ADMIN_PASSWORD
cat >"$data/init.groovy.d/admin.groovy" <<'END'
import hudson.security.*
import jenkins.model.Jenkins
def jenkins = Jenkins.get()
if (!(jenkins.securityRealm instanceof HudsonPrivateSecurityRealm)) {
    def realm = new HudsonPrivateSecurityRealm(false)
    realm.createAccount('admin', System.getenv('JENKINS_ADMIN_PASSWORD'))
    jenkins.securityRealm = realm
    def rights = new FullControlOnceLoggedInAuthorizationStrategy()
    rights.allowAnonymousRead = false
    jenkins.authorizationStrategy = rights
    jenkins.save()
}
END
exec "$java" -Xmx"${JENKINS_HEAP_MB}m" -Djava.awt.headless=true -Djenkins.install.runSetupWizard=false $JENKINS_JAVA_FLAGS \
    -jar "$war" --httpPort="$PORT0" --prefix="/service/$SERVICE_NAME"
